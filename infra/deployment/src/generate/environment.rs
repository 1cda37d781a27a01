//! The environment of each function. The functions as they are built are started with it, and refused if they read another
//! variable or leave one unread.
//!
//! A value is written as `Fn::Sub` reads it: `${Table}` is the resource or the parameter of that name, and `${TableOfOrders}`
//! the table that orders are in.

use table::keys::DataKind;

type Variable = (&'static str, &'static str);

/// What every function is given.
pub const EVERY_FUNCTION: &[Variable] = &[
    (DataKind::Rest.variable(), "${Table}"),
    (DataKind::Catalogue.variable(), "${TableOfCatalogue}"),
    (DataKind::Orders.variable(), "${TableOfOrders}"),
    (DataKind::Sessions.variable(), "${TableOfSessions}"),
    ("BUCKET_NAME", "${DescriptionsBucket}"),
    ("ACCESS_PATTERN_METRICS", "${AccessPatternMetrics}"),
    ("RUST_LOG", "${LogLevel}"),
    ("SECRETS_VERSION", "${SecretsVersion}"),
];

/// What a function is given that answers requests.
const REQUESTS: &[Variable] = &[
    ("ALLOWED_ORIGINS", "${AllowedOrigins}"),
    ("SHOP_CURRENCY", "${ShopCurrency}"),
    ("RATE_LIMITS", "${RateLimits}"),
    ("TRUSTED_PROXY_HOPS", "${TrustedProxyHops}"),
    ("BASE_PATH", "${BasePath}"),
];

const CURSORS: &[Variable] = &[(SECRETS, "${CursorKeys}")];
const CURSORS_AND_LINKS: &[Variable] = &[(SECRETS, "${CursorKeys},${LinkKeys}")];
const ALL_LINKS: &[Variable] = &[(SECRETS, "${LinkKeys},${OrderLinkKeys}")];
const PAYMENT_SECRETS: &[Variable] = &[(SECRETS, "${PaymentSecrets}")];
const SECRETS_OF_ORDERS: &[Variable] = &[(SECRETS, "${CursorKeys},${OrderLinkKeys},${PaymentSecrets}")];
const PAYMENTS: &[Variable] = &[
    ("PAYMENT_PROVIDER", "stripe"),
    ("STRIPE_PUBLISHABLE_KEY", "${StripePublishableKey}"),
    ("PAYMENT_RETURN_URL", "${PaymentReturnUrl}"),
];
const CHECKOUT: &[Variable] = &[("SHIPPING_ADDRESS", "${ShippingAddress}"), ("HOLD_MINUTES", "${HoldMinutes}")];
const DEAD_LETTERS: &[Variable] = &[("DEAD_LETTERS_BUCKET", "${DeadLettersBucket}")];
const SEARCH: &[Variable] = &[("SEARCH_LANGUAGE", "${SearchLanguage}")];
const AUDIT: &[Variable] = &[("AUDIT_BUCKET", "${AuditBucket}")];
const MAIL: &[Variable] = &[
    ("MAIL_FROM", "${MailFrom}"),
    ("SHOP_NAME", "${ShopName}"),
    ("SES_CONFIGURATION_SET", "${MailConfigurationSet}"),
    ("MAIL_LIMITS", "${MailLimits}"),
    ("ORDER_URL", "${OrderUrl}"),
    ("ACCOUNT_URL", "${AccountUrl}"),
];

/// Each function, and what it is given beside that.
pub const FUNCTIONS: [(&str, &[&[Variable]]); 10] = [
    ("Products", &[CURSORS, REQUESTS]),
    ("ProductsAdmin", &[CURSORS, REQUESTS]),
    ("Cart", &[CURSORS, REQUESTS]),
    ("Orders", &[SECRETS_OF_ORDERS, PAYMENTS, CHECKOUT, REQUESTS]),
    ("Search", &[CURSORS, SEARCH, REQUESTS]),
    ("Sessions", &[CURSORS_AND_LINKS, REQUESTS]),
    ("Notifications", &[DEAD_LETTERS, ALL_LINKS, MAIL]),
    ("Projections", &[DEAD_LETTERS, AUDIT]),
    ("Sweeper", &[PAYMENT_SECRETS, PAYMENTS]),
    ("Indexer", &[DEAD_LETTERS, SEARCH]),
];

/// Names the secrets that a function reads at its start, and so may read.
const SECRETS: &str = "SECRETS";

/// Parameters of SAM's template that are lists, and comma-separated in a variable.
pub const LISTS: [&str; 1] = ["AllowedOrigins"];

/// The variables of a function beside those of every function.
pub fn variables(of: &[&[Variable]]) -> Vec<Variable> {
    of.concat()
}

/// The secrets that a function reads, as values.
pub fn secrets(variables: &[Variable]) -> Vec<&'static str> {
    let named = variables.iter().filter(|(name, _)| *name == SECRETS);
    named.flat_map(|(_, secrets)| secrets.split(',')).collect()
}
