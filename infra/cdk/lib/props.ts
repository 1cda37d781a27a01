import type { Duration } from 'aws-cdk-lib';
import type { Architecture, Code } from 'aws-cdk-lib/aws-lambda';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';

import type { Binary } from './function-names';

/** The settings of a shop. The defaults are those of the parameters of `infra/sam/template.yaml`. */
export interface OneTillProps {
  /** Storefronts that browsers may call from, such as `https://shop.example`. At least one. */
  readonly allowedOrigins: string[];

  /** Sender of mails, such as `Shop <orders@shop.example>`. */
  readonly mailFrom: string;

  /** The SES identity of that sender in this account and region, a verified domain or address. */
  readonly mailIdentity: string;

  /**
   * SES configuration set, which reports bounces and complaints.
   * @default none
   */
  readonly mailConfigurationSet?: string;

  /**
   * Limits of mails other than the usual ones, such as `{ recipient: 50, shop: 100000 }`.
   * @default 30 a day to a recipient, 20,000 an hour of the shop
   */
  readonly mailLimits?: MailLimits;

  /**
   * The storefront's page of an order, which mails link to, such as
   * `https://shop.example/orders/{orderId}#{token}`. With `{token}`, guests open it without a session.
   * @default mails have no link to their order
   */
  readonly orderUrl?: string;

  /**
   * Storefront page that links in mails about an account lead to, such as
   * `https://shop.example/account/{action}#{token}`.
   * @default none: the mails have a code
   */
  readonly accountUrl?: string;

  /**
   * The shop's name in mails.
   * @default OneTill
   */
  readonly shopName?: string;

  /**
   * ISO 4217 code of the one currency that carts are charged in.
   * @default USD
   */
  readonly shopCurrency?: string;

  /**
   * Whether a checkout needs an address; `optional` for a shop that does not ship.
   * @default required
   */
  readonly shippingAddress?: ShippingAddress;

  /**
   * Minutes that a checkout holds stock for its payment, from 5 to 60.
   * @default 15
   */
  readonly holdMinutes?: number;

  /**
   * Stripe's publishable key, which storefronts get with a payment that the customer has to authenticate.
   * @default none
   */
  readonly stripePublishableKey?: string;

  /**
   * Page of the storefront that the customer's bank returns to, such as `https://shop.example/paid?order={orderId}`.
   * @default none
   */
  readonly paymentReturnUrl?: string;

  /**
   * Rates other than the usual ones, such as `{ checkout: 20, guest: 200 }`.
   * @default none
   */
  readonly rateLimits?: RateLimits;

  /**
   * Forwarders before the API whose `X-Forwarded-For` is believed, such as 1 behind a CDN; see "Rates" in
   * docs/operations.md first.
   * @default 0
   */
  readonly trustedProxyHops?: number;

  /**
   * The API's own domain. Cookies reach it only below the storefront's domain.
   * @default the address that API Gateway gives it
   */
  readonly domain?: ApiDomain;

  /**
   * Path that clients find the API below, such as `prod` or `shop/v1`; the key of the domain's mapping, if there is one.
   * @default none
   */
  readonly basePath?: string;

  /**
   * Requests of all callers together.
   * @default 500 a second, 1000 at once
   */
  readonly throttling?: Throttling;

  /**
   * Name of the table. Another name makes other tables; the old ones are kept.
   * @default the stack's name and -Table
   */
  readonly tableName?: string;

  /**
   * Whether tables refuse to be deleted. False for the first deployment, so that one that fails leaves nothing behind.
   * @default true
   */
  readonly deletionProtection?: boolean;

  /**
   * Units that the table and each of its indexes are scaled between.
   * @default on demand
   */
  readonly capacity?: ProvisionedCapacity;

  /**
   * Kinds of data that have a table of their own; see 'Tables of their own' in docs/operations.md.
   * @default everything is in one table
   */
  readonly tables?: OwnTables;

  /**
   * Whether CloudWatch records which keys are throttled, unencrypted, in each table and index; docs/costs.md says what that
   * costs.
   * @default false
   */
  readonly throttledKeys?: boolean;

  /**
   * The export that a new table is filled from; see 'Going back in time' in docs/operations.md.
   * @default an empty table
   */
  readonly restore?: TableExport;

  /**
   * Who alarms are mailed to.
   * @default none
   */
  readonly alarmEmail?: string;

  /**
   * Alarm threshold of the slowest request in a hundred.
   * @default 3 seconds
   */
  readonly slowestAcceptable?: Duration;

  /**
   * Another value starts the functions anew, so that they read secrets that were changed.
   * @default 1
   */
  readonly secretsVersion?: string;

  /**
   * How long logs are kept: one, two, three or six months, or a year.
   * @default one month
   */
  readonly logRetention?: RetentionDays;

  /**
   * What the functions log.
   * @default info
   */
  readonly logLevel?: LogLevel;

  /**
   * Whether what each access pattern consumes becomes a metric; docs/costs.md says what that costs.
   * @default true
   */
  readonly accessPatternMetrics?: boolean;

  /**
   * Language of the catalogue, for search. Another one builds the index anew.
   * @default 'en'
   */
  readonly searchLanguage?: SearchLanguage;

  /**
   * Whether the indexer has the one invocation reserved that it runs in. False in an account that may run only 10 at once,
   * where reserving fails.
   * @default true
   */
  readonly reservedConcurrency?: boolean;

  /**
   * Of the functions.
   * @default Architecture.ARM_64
   */
  readonly architecture?: Architecture;

  /**
   * Where the code of a function comes from: a `bootstrap` for `provided.al2023`, in a folder or an archive.
   * @default cargo-lambda builds the binary from this workspace
   */
  readonly code?: (binary: Binary) => Code;
}

/** How often a caller may do what is limited; "Rates" in docs/operations.md says what each one counts, and over which time. */
export type RateLimits = Partial<Record<RateLimit, number>>;

export const RATE_LIMITS = [
  'login_account_address',
  'login_account',
  'login_address',
  'checkout',
  'payment_refresh',
  'guest',
  'link_address',
  'link_email',
] as const;
export type RateLimit = (typeof RATE_LIMITS)[number];

/** How many mails go out; `functions/notifications/src/limits.rs` says over which time. */
export type MailLimits = Partial<Record<MailLimit, number>>;

export const MAIL_LIMITS = ['recipient', 'shop', 'link_recipient', 'link_shop'] as const;
export type MailLimit = (typeof MAIL_LIMITS)[number];

export const SHIPPING_ADDRESS = ['required', 'optional'] as const;
export type ShippingAddress = (typeof SHIPPING_ADDRESS)[number];

export const SEARCH_LANGUAGES = ['en', 'de'] as const;
export type SearchLanguage = (typeof SEARCH_LANGUAGES)[number];

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface ApiDomain {
  /** Such as `api.shop.example`. */
  readonly name: string;
  /** Certificate of that domain, in the stack's region. */
  readonly certificateArn: string;
}

export interface Throttling {
  /**
   * Requests a second.
   * @default 500
   */
  readonly rateLimit?: number;
  /**
   * Requests at once.
   * @default 1000
   */
  readonly burstLimit?: number;
}

/** Units of reads and of writes, for the table and for each index. */
export interface ProvisionedCapacity {
  /**
   * Units that provisioning begins with. Leave it alone afterwards: a change sets what is provisioned at once.
   * @default 5
   */
  readonly starting?: number;
  /**
   * Units that scaling keeps at least.
   * @default 5
   */
  readonly min?: number;
  /**
   * Units that scaling provisions at most.
   * @default 1000
   */
  readonly max?: number;
  /**
   * Percent of what is provisioned that scaling aims to have consumed, from 20 to 90.
   * @default 70
   */
  readonly targetUtilization?: number;
}

/** The kinds of data that can have a table of their own. */
export interface OwnTables {
  /** Products and categories. */
  readonly catalogue?: OwnTable;
  /** Orders and sales. */
  readonly orders?: OwnTable;
  /** Sessions and rate counters. */
  readonly sessions?: OwnTable;
}

/** A table of its own. Its name is that of the table, or of the stack, and of what is in it, such as `OneTill-Orders`. */
export interface OwnTable {
  /**
   * Units that it and each of its indexes are scaled between.
   * @default on demand
   */
  readonly capacity?: ProvisionedCapacity;
  /**
   * The export that it is filled from. Beside a `restore` of the table, the catalogue and orders need theirs too.
   * @default an empty table
   */
  readonly restore?: TableExport;
}

/** An export of a table to S3. */
export interface TableExport {
  readonly bucket: string;
  /** Of the export's data, such as `AWSDynamoDB/01234567890123-abcdefgh/data/`. */
  readonly prefix: string;
}
