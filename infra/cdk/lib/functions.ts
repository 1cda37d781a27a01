import { Duration } from 'aws-cdk-lib';
import type { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import { Function, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda';
import type { FunctionOptions } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { RustFunction } from 'cargo-lambda-cdk';
import type { Construct } from 'constructs';

import type { Buckets } from './buckets';
import { FUNCTIONS } from './function-names';
import type { Binary, FunctionName } from './function-names';
import type { Logs } from './logs';
import type { Roles } from './roles';
import type { Secrets } from './secrets';
import type { Settings } from './settings';
import { MANIFEST } from './workspace';

export type Functions = Readonly<Record<FunctionName, Function>>;

/** What the functions are told about. */
export interface Surroundings {
  readonly table: CfnTable;
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
  /** Beside what every function is told. */
  readonly environment: Record<string, string>;
}

export function addFunctions(scope: Construct, settings: Settings, surroundings: Surroundings): Functions {
  const { table, buckets } = surroundings;
  const everyFunction = {
    TABLE_NAME: table.ref,
    BUCKET_NAME: buckets.descriptions.ref,
    ACCESS_PATTERN_METRICS: settings.accessPatternMetrics ? 'on' : 'off',
    RUST_LOG: settings.logLevel,
    SECRETS_VERSION: settings.secretsVersion,
  };
  const kinds = kindsOf(settings, surroundings);
  const added = FUNCTIONS.map((name) => {
    const { binary, description, memorySize, timeoutSeconds, environment } = kinds[name];
    const role = surroundings.roles[name];
    const logs = surroundings.logs[name];
    const options: FunctionOptions = {
      description,
      architecture: settings.architecture,
      memorySize,
      timeout: Duration.seconds(timeoutSeconds),
      tracing: Tracing.ACTIVE,
      // What a function may do stands in roles.ts, all of it: nothing that uses the function adds to its role.
      role: role.withoutPolicyUpdates(),
      logGroup: LogGroup.fromLogGroupName(logs, 'LogGroup', logs.ref),
      environment: { ...everyFunction, ...environment },
    };
    return [name, addFunction(scope, `${name}Function`, binary, settings, options)] as const;
  });
  return Object.fromEntries(added) as Record<FunctionName, Function>;
}

function kindsOf(settings: Settings, { buckets, secrets }: Surroundings): Record<FunctionName, FunctionKind> {
  const answersRequests = {
    SECRETS: secrets.cursorKeys.ref,
    ALLOWED_ORIGINS: settings.allowedOrigins.join(','),
    SHOP_CURRENCY: settings.shopCurrency,
    RATE_LIMITS: settings.rateLimits,
    TRUSTED_PROXY_HOPS: String(settings.trustedProxyHops),
    BASE_PATH: settings.basePath,
  };
  return {
    Products: {
      binary: 'products',
      description: 'The catalogue as everybody sees it',
      memorySize: 512,
      timeoutSeconds: 20,
      environment: answersRequests,
    },
    ProductsAdmin: {
      binary: 'products',
      description: "The catalogue as the shop's staff keep it",
      memorySize: 512,
      timeoutSeconds: 20,
      environment: answersRequests,
    },
    Cart: {
      binary: 'cart',
      description: 'Carts',
      memorySize: 512,
      timeoutSeconds: 20,
      environment: answersRequests,
    },
    Orders: {
      binary: 'orders',
      description: 'Checkout, orders, and the events of the payment provider',
      memorySize: 512,
      timeoutSeconds: 20,
      environment: {
        ...answersRequests,
        SECRETS: `${secrets.cursorKeys.ref},${secrets.payment.ref}`,
        PAYMENT_PROVIDER: 'stripe',
      },
    },
    Sessions: {
      binary: 'sessions',
      description: 'Sessions, customers and their addresses',
      memorySize: 1024,
      timeoutSeconds: 20,
      environment: answersRequests,
    },
    Notifications: {
      binary: 'notifications',
      description: "Mails to customers, from the table's stream",
      memorySize: 256,
      timeoutSeconds: 60,
      environment: {
        DEAD_LETTERS_BUCKET: buckets.deadLetters.ref,
        MAIL_FROM: settings.mailFrom,
        SHOP_NAME: settings.shopName,
        SES_CONFIGURATION_SET: settings.mailConfigurationSet ?? '',
        MAIL_LIMITS: settings.mailLimits,
      },
    },
    Projections: {
      binary: 'projections',
      description: "Lists, sums and the audit log, from the table's stream",
      memorySize: 256,
      timeoutSeconds: 60,
      environment: { DEAD_LETTERS_BUCKET: buckets.deadLetters.ref, AUDIT_BUCKET: buckets.audit.ref },
    },
    Sweeper: {
      binary: 'sweeper',
      description: 'Holds, payments and refunds that nobody came back for',
      memorySize: 256,
      timeoutSeconds: 50,
      environment: { SECRETS: secrets.payment.ref, PAYMENT_PROVIDER: 'stripe' },
    },
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
    bundling: { cargoLambdaFlags: ['--package', binary, '--locked'] },
  });
}
