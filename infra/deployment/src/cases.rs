//! The choices that templates are read for.

use std::collections::BTreeMap;

/// One way to deploy, by its parameters.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    parameters: &'static [(&'static str, &'static str)],
}

/// What has no default.
const REQUIRED: [(&str, &str); 3] = [
    ("AllowedOrigins", "https://shop.example,https://www.shop.example"),
    ("MailFrom", "Shop <orders@shop.example>"),
    ("MailIdentity", "shop.example"),
];

/// Between them every condition is met and not met, and no parameter has its default everywhere.
pub const CASES: [Case; 3] = [
    Case { name: "on demand", parameters: &[] },
    Case {
        name: "provisioned",
        parameters: &[
            ("BillingMode", "PROVISIONED"),
            ("StartingCapacity", "20"),
            ("MinCapacity", "7"),
            ("MaxCapacity", "900"),
            ("TargetUtilization", "60"),
            ("Architecture", "x86_64"),
            ("LogLevel", "warn"),
            ("LogRetentionDays", "90"),
            ("ThrottlingRateLimit", "50"),
            ("ThrottlingBurstLimit", "70"),
        ],
    },
    Case {
        name: "everything",
        parameters: &[
            ("TableName", "Shop"),
            ("RestoreBucket", "exports"),
            ("RestorePrefix", "AWSDynamoDB/1/data/"),
            ("ShopName", "Mugs"),
            ("ShopCurrency", "EUR"),
            ("ShippingAddress", "optional"),
            ("HoldMinutes", "30"),
            ("StripePublishableKey", "pk_test_0"),
            ("PaymentReturnUrl", "https://shop.example/paid?order={orderId}"),
            ("RateLimits", "checkout=20"),
            ("TrustedProxyHops", "1"),
            ("BasePath", "shop/v1"),
            ("MailConfigurationSet", "bounces"),
            ("MailLimits", "recipient=50,shop=100000"),
            ("OrderUrl", "https://shop.example/orders/{orderId}#{token}"),
            ("AccountUrl", "https://shop.example/account/{action}#{token}"),
            ("DomainName", "api.shop.example"),
            ("CertificateArn", "arn:aws:acm:us-east-1:111122223333:certificate/11111111-2222-3333-4444-555555555555"),
            ("AlarmEmail", "ops@shop.example"),
            ("SlowestAcceptableMs", "1500"),
            ("AccessPatternMetrics", "off"),
            ("SecretsVersion", "2"),
        ],
    },
];

/// The first deployment of a shop: a table that is protected would outlive its failure. It is only compared, because what is
/// for good has every control.
pub const FIRST: Case = Case { name: "first", parameters: &[("DeletionProtection", "off")] };

impl Case {
    /// Under the names of SAM's parameters.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        let all = REQUIRED.iter().chain(self.parameters);
        all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// The same as context of the CDK app, whose names begin with a small letter.
    pub fn context(&self) -> Vec<String> {
        let small = |name: &str| name[..1].to_lowercase() + &name[1..];
        self.parameters().iter().map(|(name, value)| format!("{}={value}", small(name))).collect()
    }
}
