import { Duration } from 'aws-cdk-lib';
import { Function, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda';
import type { FunctionOptions } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { RustFunction } from 'cargo-lambda-cdk';
import type { Construct } from 'constructs';

import type { Buckets } from './buckets';
import { FACTS, filledIn, namesOfTables } from './facts';
import type { Named } from './facts';
import { FUNCTIONS } from './function-names';
import type { Binary, FunctionName } from './function-names';
import type { Logs } from './logs';
import type { Roles } from './roles';
import type { Secrets } from './secrets';
import type { Settings } from './settings';
import type { Tables } from './tables';
import { MANIFEST } from './workspace';

export type Functions = Readonly<Record<FunctionName, Function>>;

/** The resources that the functions use. */
export interface Dependencies {
  readonly tables: Tables;
  readonly buckets: Buckets;
  readonly secrets: Secrets;
  readonly roles: Roles;
  readonly logs: Logs;
}

interface FunctionKind {
  readonly binary: Binary;
  readonly description: string;
  readonly memorySize: number;
  readonly timeoutSeconds: number;
  /** Invocations at once, reserved for this function, where the shop reserves any. */
  readonly atOnce?: number;
}

export function addFunctions(scope: Construct, settings: Settings, dependencies: Dependencies): Functions {
  const named = namesOf(settings, dependencies);
  const added = FUNCTIONS.map((name) => {
    const { binary, description, memorySize, timeoutSeconds, atOnce } = KINDS[name];
    const role = dependencies.roles[name];
    const logs = dependencies.logs[name];
    const options: FunctionOptions = {
      description,
      architecture: settings.architecture,
      memorySize,
      timeout: Duration.seconds(timeoutSeconds),
      reservedConcurrentExecutions: settings.reservedConcurrency ? atOnce : undefined,
      tracing: Tracing.ACTIVE,
      // roles.ts has all permissions of a function: nothing that uses the function adds to its role.
      role: role.withoutPolicyUpdates(),
      logGroup: LogGroup.fromLogGroupName(logs, 'LogGroup', logs.ref),
      environment: filledIn({ ...FACTS.everyFunction, ...FACTS.functions[name].environment }, named),
    };
    return [name, addFunction(scope, `${name}Function`, binary, settings, options)] as const;
  });
  return Object.fromEntries(added) as Record<FunctionName, Function>;
}

const KINDS: Readonly<Record<FunctionName, FunctionKind>> = {
  Products: {
    binary: 'products',
    description: 'The public catalogue',
    memorySize: 512,
    timeoutSeconds: 20,
  },
  ProductsAdmin: {
    binary: 'products-admin',
    description: 'Administration of the catalogue',
    memorySize: 512,
    timeoutSeconds: 20,
  },
  Cart: {
    binary: 'cart',
    description: 'Carts',
    memorySize: 512,
    timeoutSeconds: 20,
  },
  Orders: {
    binary: 'orders',
    description: 'Checkout, orders, and the events of the payment provider',
    memorySize: 512,
    timeoutSeconds: 20,
  },
  Search: {
    binary: 'search',
    description: 'Search of the catalogue, and suggestions',
    // It has the index in memory.
    memorySize: 1024,
    timeoutSeconds: 20,
  },
  Sessions: {
    binary: 'sessions',
    description: 'Sessions, customers and their addresses',
    memorySize: 1024,
    timeoutSeconds: 20,
  },
  Notifications: {
    binary: 'notifications',
    description: "Mails to customers, from the stream",
    memorySize: 256,
    timeoutSeconds: 60,
  },
  Projections: {
    binary: 'projections',
    description: "Lists, sums and the audit log, from the stream",
    memorySize: 256,
    timeoutSeconds: 60,
  },
  Sweeper: {
    binary: 'sweeper',
    description: 'Expired holds, payments without an outcome, owed refunds, and renames of categories',
    memorySize: 256,
    timeoutSeconds: 50,
  },
  Indexer: {
    binary: 'indexer',
    description: 'The index of the search',
    memorySize: 2048,
    timeoutSeconds: 300,
    // One writer: a run that takes longer than a minute is not met by the next one.
    atOnce: 1,
  },
};

/** What the values of environments are written in. */
function namesOf(settings: Settings, { tables, buckets, secrets }: Dependencies): Named {
  return {
    ...namesOfTables(tables),
    DescriptionsBucket: buckets.descriptions.ref,
    AuditBucket: buckets.audit.ref,
    DeadLettersBucket: buckets.deadLetters.ref,
    CursorKeys: secrets.cursorKeys.ref,
    LinkKeys: secrets.linkKeys.ref,
    OrderLinkKeys: secrets.orderLinkKeys.ref,
    PaymentSecrets: secrets.payment.ref,
    AccessPatternMetrics: settings.accessPatternMetrics ? 'on' : 'off',
    LogLevel: settings.logLevel,
    SecretsVersion: settings.secretsVersion,
    AllowedOrigins: settings.allowedOrigins.join(','),
    ShopCurrency: settings.shopCurrency,
    ShippingAddress: settings.shippingAddress,
    ShopName: settings.shopName,
    HoldMinutes: String(settings.holdMinutes),
    StripePublishableKey: settings.stripePublishableKey,
    PaymentReturnUrl: settings.paymentReturnUrl,
    RateLimits: settings.rateLimits,
    TrustedProxyHops: String(settings.trustedProxyHops),
    BasePath: settings.basePath,
    MailFrom: settings.mailFrom,
    MailConfigurationSet: settings.mailConfigurationSet ?? '',
    MailLimits: settings.mailLimits,
    OrderUrl: settings.orderUrl,
    AccountUrl: settings.accountUrl,
    SearchLanguage: settings.searchLanguage,
  };
}

function addFunction(
  scope: Construct,
  id: string,
  binary: Binary,
  settings: Settings,
  options: FunctionOptions,
): Function {
  if (settings.code) {
    const runtime = Runtime.PROVIDED_AL2023;
    return new Function(scope, id, { ...options, runtime, handler: 'bootstrap', code: settings.code(binary) });
  }
  return new RustFunction(scope, id, {
    ...options,
    // The whole workspace, which a build in a container has to see. The package is named too, so that the binary is
    // built with what it needs itself, and not with what the local stack and the tests need of the same crates.
    manifestPath: MANIFEST,
    binaryName: binary,
    bundling: { cargoLambdaFlags: ['--package', packageOf(binary), '--locked'] },
  });
}

/** The package in `functions/` that a binary is of. */
function packageOf(binary: Binary): string {
  switch (binary) {
    case 'products-admin':
      return 'products';
    case 'search':
      // `search` is the engine that it shares with the indexer.
      return 'search-function';
    default:
      return binary;
  }
}
