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
pub const CASES: [Case; 4] = [
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
            ("SearchLanguage", "de"),
            ("SecretsVersion", "2"),
            ("ThrottledKeys", "on"),
        ],
    },
    // As the story that this project began with has it: a catalogue that is read steadily, orders and sessions in bursts.
    Case {
        name: "split",
        parameters: &[
            ("TableName", "Shop"),
            ("CatalogueTable", "PROVISIONED"),
            ("OrdersTable", "PAY_PER_REQUEST"),
            ("SessionsTable", "PAY_PER_REQUEST"),
            ("MinCapacity", "20"),
            ("RestoreBucket", "exports"),
            ("RestorePrefix", "AWSDynamoDB/1/data/"),
            ("CatalogueRestorePrefix", "AWSDynamoDB/2/data/"),
            ("OrdersRestorePrefix", "AWSDynamoDB/3/data/"),
            ("SessionsRestorePrefix", "AWSDynamoDB/4/data/"),
            ("ThrottledKeys", "on"),
        ],
    },
];

/// Ways to deploy in which both templates are compared, and have every control. What is in the table and what is not differs
/// from [`CASES`].
pub const COMPARED: [Case; 3] = [
    Case {
        name: "catalogue apart",
        parameters: &[("CatalogueTable", "PAY_PER_REQUEST"), ("BillingMode", "PROVISIONED")],
    },
    Case { name: "orders apart", parameters: &[("OrdersTable", "PROVISIONED")] },
    Case {
        name: "catalogue in the table",
        parameters: &[
            ("OrdersTable", "PAY_PER_REQUEST"),
            ("SessionsTable", "PROVISIONED"),
            ("BillingMode", "PROVISIONED"),
            ("RestoreBucket", "exports"),
            ("OrdersRestorePrefix", "AWSDynamoDB/3/data/"),
        ],
    },
];

/// The first deployment of a shop: a table that is protected would outlive its failure, and an account may be too new to
/// reserve anything in it. It is only compared, because what is for good has every control.
pub const FIRST: Case = Case {
    name: "first",
    parameters: &[
        ("DeletionProtection", "off"),
        ("ReservedConcurrency", "off"),
        ("CatalogueTable", "PAY_PER_REQUEST"),
        ("OrdersTable", "PAY_PER_REQUEST"),
        ("SessionsTable", "PAY_PER_REQUEST"),
    ],
};

/// Every choice of tables and of their billing modes, under the names of SAM's parameters.
pub fn every_choice_of_tables() -> Vec<BTreeMap<String, String>> {
    let mut choices = vec![CASES[0].parameters()];
    for (parameter, values) in [
        ("BillingMode", ["PAY_PER_REQUEST", "PROVISIONED"].as_slice()),
        ("CatalogueTable", &OWN_TABLE),
        ("OrdersTable", &OWN_TABLE),
        ("SessionsTable", &OWN_TABLE),
    ] {
        let with = |choice: &BTreeMap<String, String>, value: &str| {
            let mut choice = choice.clone();
            choice.insert(parameter.to_owned(), value.to_owned());
            choice
        };
        choices = choices.iter().flat_map(|choice| values.iter().map(move |value| with(choice, value))).collect();
    }
    choices
}

const OWN_TABLE: [&str; 3] = ["shared", "PAY_PER_REQUEST", "PROVISIONED"];

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
