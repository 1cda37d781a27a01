import { existsSync } from 'node:fs';

import { Aws, Duration } from 'aws-cdk-lib';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';

import { inOrder, oneOf, origins, text, whole } from './checks';
import type { Problems } from './checks';
import { LOG_LEVELS, MAIL_LIMITS, RATE_LIMITS, SEARCH_LANGUAGES, SHIPPING_ADDRESS } from './props';
import type {
  ApiDomain,
  LogLevel,
  OneTillProps,
  OwnTable,
  ProvisionedCapacity,
  SearchLanguage,
  ShippingAddress,
  TableExport,
  Throttling,
} from './props';
import type { Kind } from './tables';
import { MANIFEST } from './workspace';

/** The props with every default filled in, and found good. */
export interface Settings {
  readonly allowedOrigins: string[];
  readonly mailFrom: string;
  readonly mailIdentity: string;
  readonly mailConfigurationSet: string | undefined;
  readonly mailLimits: string;
  readonly orderUrl: string;
  readonly accountUrl: string;
  readonly shopName: string;
  readonly shopCurrency: string;
  readonly shippingAddress: ShippingAddress;
  readonly holdMinutes: number;
  readonly stripePublishableKey: string;
  readonly paymentReturnUrl: string;
  readonly rateLimits: string;
  readonly trustedProxyHops: number;
  readonly basePath: string;
  readonly domain: ApiDomain | undefined;
  readonly throttling: Required<Throttling>;
  /** The table of what has no table of its own. */
  readonly table: TableSettings;
  readonly ownTables: Readonly<Record<Kind, TableSettings | undefined>>;
  readonly throttledKeys: boolean;
  readonly deletionProtection: boolean;
  readonly alarmEmail: string | undefined;
  readonly slowestAcceptable: Duration;
  readonly secretsVersion: string;
  readonly logRetention: RetentionDays;
  readonly logLevel: LogLevel;
  readonly accessPatternMetrics: boolean;
  readonly searchLanguage: SearchLanguage;
  readonly reservedConcurrency: boolean;
  readonly architecture: Architecture;
  readonly code: OneTillProps['code'];
}

export interface TableSettings {
  readonly name: string;
  readonly capacity: Required<ProvisionedCapacity> | undefined;
  readonly restore: TableExport | undefined;
}

/** @throws one error that names everything that is wrong with the props. */
export function settingsOf(props: OneTillProps): Settings {
  const settings: Settings = {
    allowedOrigins: props.allowedOrigins,
    mailFrom: props.mailFrom,
    mailIdentity: props.mailIdentity,
    mailConfigurationSet: props.mailConfigurationSet,
    mailLimits: limitsAsText(props.mailLimits),
    orderUrl: props.orderUrl ?? '',
    accountUrl: props.accountUrl ?? '',
    shopName: props.shopName ?? 'OneTill',
    shopCurrency: props.shopCurrency ?? 'USD',
    shippingAddress: props.shippingAddress ?? 'required',
    holdMinutes: props.holdMinutes ?? 15,
    stripePublishableKey: props.stripePublishableKey ?? '',
    paymentReturnUrl: props.paymentReturnUrl ?? '',
    rateLimits: limitsAsText(props.rateLimits),
    trustedProxyHops: props.trustedProxyHops ?? 0,
    basePath: props.basePath ?? '',
    domain: props.domain,
    throttling: { rateLimit: props.throttling?.rateLimit ?? 500, burstLimit: props.throttling?.burstLimit ?? 1000 },
    table: {
      name: props.tableName ?? `${Aws.STACK_NAME}-Table`,
      capacity: filledUp(props.capacity),
      restore: props.restore,
    },
    ownTables: {
      Catalogue: ownTable(props, 'Catalogue', props.tables?.catalogue),
      Orders: ownTable(props, 'Orders', props.tables?.orders),
      Sessions: ownTable(props, 'Sessions', props.tables?.sessions),
    },
    throttledKeys: props.throttledKeys ?? false,
    deletionProtection: props.deletionProtection ?? true,
    alarmEmail: props.alarmEmail,
    slowestAcceptable: props.slowestAcceptable ?? Duration.seconds(3),
    secretsVersion: props.secretsVersion ?? '1',
    logRetention: props.logRetention ?? RetentionDays.ONE_MONTH,
    logLevel: props.logLevel ?? 'info',
    accessPatternMetrics: props.accessPatternMetrics ?? true,
    searchLanguage: props.searchLanguage ?? 'en',
    reservedConcurrency: props.reservedConcurrency ?? true,
    architecture: props.architecture ?? Architecture.ARM_64,
    code: props.code,
  };
  const wrong = whatIsWrong(settings, props);
  if (wrong.length > 0) {
    throw new Error(`OneTill cannot be deployed like this:\n${wrong.map((problem) => `  - ${problem}\n`).join('')}`);
  }
  return settings;
}

function filledUp(capacity: ProvisionedCapacity | undefined): Required<ProvisionedCapacity> | undefined {
  return (
    capacity && {
      starting: capacity.starting ?? 5,
      min: capacity.min ?? 5,
      max: capacity.max ?? 1000,
      targetUtilization: capacity.targetUtilization ?? 70,
    }
  );
}

function ownTable({ tableName }: OneTillProps, kind: Kind, own: OwnTable | undefined): TableSettings | undefined {
  return own && { name: `${tableName ?? Aws.STACK_NAME}-${kind}`, capacity: filledUp(own.capacity), restore: own.restore };
}

/** As the functions read them: `name=number`, comma-separated. */
function limitsAsText(limits: Partial<Record<string, number>> = {}): string {
  return Object.entries(limits)
    .map(([name, most]) => `${name}=${most}`)
    .join(',');
}

const LOG_RETENTIONS = [
  RetentionDays.ONE_MONTH,
  RetentionDays.TWO_MONTHS,
  RetentionDays.THREE_MONTHS,
  RetentionDays.SIX_MONTHS,
  RetentionDays.ONE_YEAR,
];

const MAIL_SENDER = /^([^<>]*<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/;
const ORDER_URL =
  /^(https:\/\/[^\s{}@/?#]+([/?#][^\s{}]*\{orderId\}[^\s{}]*|[/?][^\s{}]*\{orderId\}[^\s{}]*#[^\s{}]*\{token\}[^\s{}]*|[/?]?[^\s{}#]*#[^\s{}]*\{orderId\}[^\s{}]*\{token\}[^\s{}]*))?$/;
const ACCOUNT_URL = /^(https:\/\/(?=.*\{action\})[A-Za-z0-9][^\s@#"<>^`|\\]*#[^\s"<>^`|\\]*\{token\}[^\s"<>^`|\\]*)?$/;
const BASE_PATH = /^([A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)?$/;
const CONFIGURATION_SET = /^[A-Za-z0-9_-]{1,64}$/;

function whatIsWrong(settings: Settings, { rateLimits = {}, mailLimits = {} }: OneTillProps): Problems {
  const { mailConfigurationSet, domain, throttling, table, ownTables, alarmEmail, slowestAcceptable } = settings;
  const wrong = [
    ...origins('allowedOrigins', settings.allowedOrigins),
    ...text('mailFrom', settings.mailFrom, MAIL_SENDER, 'a sender such as Shop <orders@shop.example>'),
    ...text('mailIdentity', settings.mailIdentity, /^[^\s/*]+$/, 'a domain or an address that SES has verified'),
    ...text('orderUrl', settings.orderUrl, ORDER_URL, 'a page such as https://shop.example/orders/{orderId}#{token}'),
    ...text('accountUrl', settings.accountUrl, ACCOUNT_URL, 'a page such as https://shop.example/account/{action}#{token}'),
    ...text('shopName', settings.shopName, /\S/, 'a name'),
    ...text('shopCurrency', settings.shopCurrency, /^[A-Z]{3}$/, 'an ISO 4217 code such as USD'),
    ...oneOf('shippingAddress', settings.shippingAddress, SHIPPING_ADDRESS),
    ...whole('holdMinutes', settings.holdMinutes, 5, 60),
    ...text('stripePublishableKey', settings.stripePublishableKey, /^(pk_\w+)?$/, 'a key that begins with pk_'),
    ...text('paymentReturnUrl', settings.paymentReturnUrl, /^(https:\/\/\S+)?$/, 'a URL that begins with https://'),
    ...Object.keys(rateLimits).flatMap((name) => oneOf<string>('the name of a rate', name, RATE_LIMITS)),
    ...Object.entries(rateLimits).flatMap(([name, most]) => whole(`rateLimits.${name}`, most, 1)),
    ...whole('trustedProxyHops', settings.trustedProxyHops, 0, 10),
    ...text('basePath', settings.basePath, BASE_PATH, 'a path such as prod or shop/v1'),
    ...Object.keys(mailLimits).flatMap((name) => oneOf<string>('the name of a limit of mails', name, MAIL_LIMITS)),
    // The shop's mails are counted in eight parts.
    ...Object.entries(mailLimits).flatMap(([name, most]) => whole(`mailLimits.${name}`, most, name.endsWith('shop') ? 8 : 1)),
    ...whole('throttling.rateLimit', throttling.rateLimit, 1),
    ...whole('throttling.burstLimit', throttling.burstLimit, 1),
    ...tableProblems('', 'tableName', table),
    ...tableProblems('tables.catalogue.', 'the name of tables.catalogue', ownTables.Catalogue),
    ...tableProblems('tables.orders.', 'the name of tables.orders', ownTables.Orders),
    ...tableProblems('tables.sessions.', 'the name of tables.sessions', ownTables.Sessions),
    ...whole('slowestAcceptable, in milliseconds,', slowestAcceptable.toMilliseconds({ integral: false }), 1),
    ...oneOf('logRetention', settings.logRetention, LOG_RETENTIONS),
    ...oneOf('logLevel', settings.logLevel, LOG_LEVELS),
    ...oneOf('searchLanguage', settings.searchLanguage, SEARCH_LANGUAGES),
  ];
  if (mailConfigurationSet !== undefined) {
    wrong.push(...text('mailConfigurationSet', mailConfigurationSet, CONFIGURATION_SET, 'the name of a set'));
  }
  if (domain) {
    wrong.push(...text('domain.name', domain.name, /^[^\s/:]+\.[^\s/:]+$/, 'a domain such as api.shop.example'));
    wrong.push(...text('domain.certificateArn', domain.certificateArn, /^arn:[^:]+:acm:/, 'the ARN of a certificate'));
  }
  // An empty table beside restored ones would be a shop without products or without orders.
  for (const [name, own] of [['catalogue', ownTables.Catalogue], ['orders', ownTables.Orders]] as const) {
    if (table.restore && own && !own.restore) wrong.push(`restore needs tables.${name}.restore too`);
  }
  if (alarmEmail !== undefined) wrong.push(...text('alarmEmail', alarmEmail, /^[^\s@]+@[^\s@]+$/, 'an address'));
  if (!settings.code && !existsSync(MANIFEST)) {
    wrong.push('code is missing, and there is no workspace here to build it from');
  }
  return wrong;
}

function tableProblems(path: string, nameOf: string, table: TableSettings | undefined): Problems {
  if (!table) return [];
  const { name, capacity, restore } = table;
  const wrong = text(nameOf, name, /^[A-Za-z0-9_.-]{3,255}$/, '3 to 255 of the characters A-Z a-z 0-9 _ . -');
  if (capacity) {
    wrong.push(...whole(`${path}capacity.starting`, capacity.starting, 1));
    wrong.push(...whole(`${path}capacity.min`, capacity.min, 1));
    wrong.push(...whole(`${path}capacity.max`, capacity.max, 1));
    wrong.push(...inOrder(`${path}capacity.min`, capacity.min, `${path}capacity.max`, capacity.max));
    wrong.push(...whole(`${path}capacity.targetUtilization`, capacity.targetUtilization, 20, 90));
  }
  if (restore) wrong.push(...text(`${path}restore.bucket`, restore.bucket, /^[a-z0-9.-]{3,63}$/, 'the name of a bucket'));
  return wrong;
}
