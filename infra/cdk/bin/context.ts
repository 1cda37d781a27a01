import { Duration } from 'aws-cdk-lib';
import { Architecture, Code } from 'aws-cdk-lib/aws-lambda';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';

import { LOG_LEVELS, SEARCH_LANGUAGES, SHIPPING_ADDRESS } from '../lib';
import type { OneTillProps, OwnTable } from '../lib';

/**
 * What can be given with `-c name=value`: the parameters of infra/sam/template.yaml, and what only CDK needs to know.
 * In brackets stands what holds unless it is given.
 */
const SETTINGS = {
  allowedOrigins: 'Storefronts that browsers may call from, comma-separated, such as https://shop.example',
  mailFrom: 'Sender of mails, such as Shop <orders@shop.example>',
  mailIdentity: 'The SES identity of that sender, a verified domain or address, such as shop.example',
  mailConfigurationSet: 'SES configuration set, which reports bounces and complaints [none]',
  mailLimits: 'Limits of mails other than the usual ones, such as recipient=50,shop=100000 [none]',
  orderUrl: "The storefront's page of an order, which mails link to: https://shop.example/orders/{orderId} [none]",
  accountUrl: 'Storefront page of links in mails, such as https://shop.example/account/{action}#{token} [none]',
  shopName: "The shop's name in mails [OneTill]",
  shopCurrency: 'ISO 4217 code of the one currency that carts are charged in [USD]',
  shippingAddress: 'Whether a checkout needs an address: required, optional [required]',
  trustedProxyHops: 'Forwarders before the API whose X-Forwarded-For is believed, such as 1 behind a CDN [0]',
  basePath: 'Path that clients find the API below, such as prod or shop/v1 [none]',
  holdMinutes: 'Minutes that a checkout holds stock for its payment, 5 to 60 [15]',
  stripePublishableKey: "Stripe's publishable key, for payments that the customer has to authenticate [none]",
  paymentReturnUrl: "Page that the customer's bank returns to, such as https://shop.example/paid?order={orderId} [none]",
  rateLimits: 'Rates other than the usual ones, such as checkout=20,guest=200 [none]',
  domainName: "The API's own domain, such as api.shop.example [none]",
  certificateArn: 'Certificate of that domain, in this region [none]',
  throttlingRateLimit: 'Requests a second, of all callers together [500]',
  throttlingBurstLimit: 'Requests at once, of all callers together [1000]',
  tableName: "Name of the table [the stack's name and -Table]",
  deletionProtection: 'Whether tables refuse to be deleted: on, or off for the first deployment [on]',
  billingMode: 'PAY_PER_REQUEST, or PROVISIONED, which scales between minCapacity and maxCapacity [PAY_PER_REQUEST]',
  catalogueTable: 'Whether products and categories have a table of their own: shared, or its billing mode [shared]',
  ordersTable: 'The same for orders and sales [shared]',
  sessionsTable: 'The same for sessions and rate counters [shared]',
  startingCapacity: 'Units that provisioning begins with [5]',
  minCapacity: 'Units that scaling keeps at least [5]',
  maxCapacity: 'Units that scaling provisions at most [1000]',
  targetUtilization: 'Percent of what is provisioned that scaling aims to have consumed [70]',
  restoreBucket: 'Bucket of an export that a new table is filled from [none]',
  restorePrefix: "Prefix of that export's data [none]",
  catalogueRestorePrefix: "Prefix of the export in restoreBucket that the catalogue's own table is filled from [none]",
  ordersRestorePrefix: 'The same for orders [none]',
  sessionsRestorePrefix: 'The same for sessions [none]',
  throttledKeys: 'Whether CloudWatch records which keys are throttled, unencrypted: on, off [off]',
  alarmEmail: 'Address that alarms are mailed to [none]',
  slowestAcceptableMs: 'Alarm threshold of the slowest request in a hundred, in milliseconds [3000]',
  secretsVersion: 'Another value starts the functions anew, so that they read secrets that were changed [1]',
  logRetentionDays: 'Days that logs are kept: 30, 60, 90, 180 or 365 [30]',
  logLevel: `What the functions log: ${LOG_LEVELS.join(', ')} [info]`,
  accessPatternMetrics: 'Whether what each access pattern consumes becomes a metric: on, off [on]',
  searchLanguage: `Language of the catalogue, for search: ${SEARCH_LANGUAGES.join(', ')} [en]`,
  reservedConcurrency: 'Whether the indexer has its one invocation reserved: on, off [on]',
  architecture: 'Of the functions: arm64, x86_64 [arm64]',
  bundling: 'Whether the functions are built; off makes a template to look at, not to deploy [on]',
};
type Setting = keyof typeof SETTINGS;

/** @throws an error that says what is missing or unknown, and what there is. */
export function propsFromContext(scope: Construct): OneTillProps {
  const given = givenSettings(scope);
  const text = (setting: Setting): string | undefined => given[setting];
  const number = (setting: Setting): number | undefined => {
    const value = text(setting);
    // What is no number becomes NaN, and is refused with the rest of the props.
    return value === undefined ? undefined : Number(value);
  };
  const choice = <T extends string>(setting: Setting, ...choices: readonly T[]): T | undefined => {
    const value = text(setting);
    if (value === undefined) return undefined;
    const chosen = choices.find((one) => one === value);
    return chosen ?? refuse(`${setting} is ${value}, but has to be ${choices.join(' or ')}.`);
  };

  const { allowedOrigins, mailFrom, mailIdentity, domainName, restoreBucket } = given;
  if (allowedOrigins === undefined || mailFrom === undefined || mailIdentity === undefined) {
    const missing = (['allowedOrigins', 'mailFrom', 'mailIdentity'] as const).filter(
      (name) => given[name] === undefined,
    );
    return refuse(`Missing: ${missing.join(', ')}.`);
  }
  const slowestAcceptableMs = number('slowestAcceptableMs');
  const capacity = {
    starting: number('startingCapacity'),
    min: number('minCapacity'),
    max: number('maxCapacity'),
    targetUtilization: number('targetUtilization'),
  };
  const ownTable = (table: Setting, restorePrefix: Setting): OwnTable | undefined => {
    const mode = choice(table, 'shared', 'PAY_PER_REQUEST', 'PROVISIONED') ?? 'shared';
    const prefix = text(restorePrefix);
    const isRestored = restoreBucket !== undefined && prefix !== undefined;
    const restore = isRestored ? { bucket: restoreBucket, prefix } : undefined;
    return mode === 'shared' ? undefined : { capacity: mode === 'PROVISIONED' ? capacity : undefined, restore };
  };
  return {
    allowedOrigins: allowedOrigins.split(',').map((origin) => origin.trim()),
    mailFrom,
    mailIdentity,
    mailConfigurationSet: text('mailConfigurationSet'),
    mailLimits: limits(text('mailLimits')),
    orderUrl: text('orderUrl'),
    accountUrl: text('accountUrl'),
    shopName: text('shopName'),
    shopCurrency: text('shopCurrency'),
    shippingAddress: choice('shippingAddress', ...SHIPPING_ADDRESS),
    holdMinutes: number('holdMinutes'),
    stripePublishableKey: text('stripePublishableKey'),
    paymentReturnUrl: text('paymentReturnUrl'),
    rateLimits: limits(text('rateLimits')),
    trustedProxyHops: number('trustedProxyHops'),
    basePath: text('basePath'),
    domain: domainName === undefined ? undefined : { name: domainName, certificateArn: text('certificateArn') ?? '' },
    throttling: { rateLimit: number('throttlingRateLimit'), burstLimit: number('throttlingBurstLimit') },
    tableName: text('tableName'),
    deletionProtection: choice('deletionProtection', 'on', 'off') !== 'off',
    capacity: choice('billingMode', 'PAY_PER_REQUEST', 'PROVISIONED') === 'PROVISIONED' ? capacity : undefined,
    tables: {
      catalogue: ownTable('catalogueTable', 'catalogueRestorePrefix'),
      orders: ownTable('ordersTable', 'ordersRestorePrefix'),
      sessions: ownTable('sessionsTable', 'sessionsRestorePrefix'),
    },
    throttledKeys: choice('throttledKeys', 'on', 'off') === 'on',
    restore: restoreBucket === undefined ? undefined : { bucket: restoreBucket, prefix: text('restorePrefix') ?? '' },
    alarmEmail: text('alarmEmail'),
    slowestAcceptable: slowestAcceptableMs === undefined ? undefined : Duration.millis(slowestAcceptableMs),
    secretsVersion: text('secretsVersion'),
    logRetention: number('logRetentionDays'),
    logLevel: choice('logLevel', ...LOG_LEVELS),
    accessPatternMetrics: choice('accessPatternMetrics', 'on', 'off') !== 'off',
    searchLanguage: choice('searchLanguage', ...SEARCH_LANGUAGES),
    reservedConcurrency: choice('reservedConcurrency', 'on', 'off') !== 'off',
    architecture: choice('architecture', 'arm64', 'x86_64') === 'x86_64' ? Architecture.X86_64 : Architecture.ARM_64,
    code: choice('bundling', 'on', 'off') === 'off' ? noCode(scope) : undefined,
  };
}

/** An empty setting counts as none, as it does for infra/sam. */
function givenSettings(scope: Construct): Partial<Record<Setting, string>> {
  // CDK's own settings have a : or a / in their names, such as aws:cdk:bundling-stacks, or are named here.
  const ofCdk = /[:/]|^(cli-telemetry|acknowledged-issue-numbers)$/;
  const context: Record<string, unknown> = scope.node.getAllContext();
  const own = Object.entries(context).filter(([name]) => !ofCdk.test(name));
  const unknown = own.map(([name]) => name).filter((name) => !(name in SETTINGS));
  if (unknown.length > 0) return refuse(`Unknown: ${unknown.join(', ')}.`);
  const odd = own.filter(([, value]) => typeof value !== 'string' && typeof value !== 'number').map(([name]) => name);
  if (odd.length > 0) return refuse(`Neither a text nor a number: ${odd.join(', ')}.`);
  return Object.fromEntries(own.map(([name, value]) => [name, String(value)]).filter(([, value]) => value !== ''));
}

function refuse(problem: string): never {
  const all = Object.entries(SETTINGS).map(([name, meaning]) => `  ${name.padEnd(22)} ${meaning}\n`);
  throw new Error(`${problem}\nSettings are given as -c name=value. There are:\n${all.join('')}`);
}

/** The names and numbers are judged with the rest of the props. */
function limits<Name extends string>(text: string | undefined): Partial<Record<Name, number>> | undefined {
  const limits = text?.split(',').map((limit) => limit.split('=').map((part) => part.trim()));
  return limits && (Object.fromEntries(limits.map(([name, most]) => [name, Number(most)])) as Record<Name, number>);
}

/** Names a place where no code is, so that nothing is built. */
function noCode(scope: Construct): OneTillProps['code'] {
  const nowhere = Code.fromBucket(Bucket.fromBucketName(scope, 'NoCode', 'code'), 'bootstrap.zip', 'none');
  return () => nowhere;
}
