//! `cargo run`: the whole shop on this machine.

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use api::{BasePath, Policy, rates::Rates};
use clap::{Parser, ValueEnum};
use domain::{Email, HoldLength, Password};
use links::LinkKeys;
use local::{AdminAccount, Seed, Stack, StackOptions, Streams, error_chain};
use notifications::{AccountUrl, MailLimits, OrderUrl};
use ops::OwnTables;
use payments::{PaymentProvider, Stripe, StripeConfig};
use runtime::telemetry;
use rustix::fs::Mode;
use search::Language;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// A whole shop on this machine: DynamoDB engine, S3, every function and a web page, without Docker or an account.
///
/// When it is ready it prints one line on standard output:
/// `ready http://127.0.0.1:9000 dynamodb=http://127.0.0.1:8000 s3=http://127.0.0.1:9090 table=EcommerceApp`.
/// Ctrl-C and SIGTERM stop it cleanly.
#[derive(Parser)]
#[command(name = "onetill", version)]
struct Arguments {
    /// Port of the API and the web page; 0 picks a free one.
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// Port of the DynamoDB engine; 0 picks a free one.
    #[arg(long, default_value_t = 8000)]
    engine_port: u16,
    /// Port of the S3; 0 picks a free one.
    #[arg(long, default_value_t = 9090)]
    s3_port: u16,
    /// Folder that keeps all data over restarts, or `memory`.
    #[arg(long, default_value = "memory", value_parser = data)]
    data: Data,
    /// Content of a new shop.
    #[arg(long, value_enum, default_value_t = SeedArgument::Sample)]
    seed: SeedArgument,
    /// Whether requests and mails are rate-limited, as in production; turn it off for load tests.
    #[arg(long, value_enum, default_value_t = Switch::On)]
    limits: Switch,
    /// ISO 4217 code of the shop's currency; the sample products are priced in it.
    #[arg(long, default_value = "USD")]
    currency: String,
    /// How long a checkout holds its stock for the payment: 5 to 60 minutes.
    #[arg(long, env = "HOLD_MINUTES", default_value = "15", value_parser = HoldLength::parse_minutes)]
    hold_minutes: HoldLength,
    /// The payment provider.
    #[arg(long, value_enum, default_value_t = PaymentsArgument::Local)]
    payments: PaymentsArgument,
    /// Ledger file of the local payment provider, to share it with functions under `cargo lambda watch`; by default in
    /// the data folder.
    #[arg(long, env = "PAYMENT_LEDGER")]
    ledger: Option<PathBuf>,
    /// Mail folder, with one file for each mail; by default in the data folder. With --stream-to, the functions there
    /// use their own MAIL_FOLDER.
    #[arg(long, env = "MAIL_FOLDER")]
    mail: Option<PathBuf>,
    /// The storefront's page of an order, which mails link to, such as http://localhost:5173/orders/{orderId}#{token}; with
    /// {token}, guests open it without a session. By default the web page of this stack. With --stream-to, the functions
    /// there use their own ORDER_URL.
    #[arg(long, env = "ORDER_URL", value_parser = OrderUrl::parse)]
    order_url: Option<OrderUrl>,
    /// Where the links in mails about an account lead to, such as https://shop.example/account/{action}#{token}; by
    /// default the web page of this stack.
    #[arg(long, env = "ACCOUNT_URL", value_parser = AccountUrl::parse)]
    account_url: Option<AccountUrl>,
    /// Keys that sign the links in mails about an account, to share them with functions under `cargo lambda watch`; preferably set as
    /// LINK_KEYS. By default they are made from the data folder's key.
    #[arg(long, env = "LINK_KEYS", hide_env_values = true, value_parser = LinkKeys::parse)]
    link_keys: Option<LinkKeys>,
    /// The same of links to orders, as ORDER_LINK_KEYS.
    #[arg(long, env = "ORDER_LINK_KEYS", hide_env_values = true, value_parser = LinkKeys::parse)]
    order_link_keys: Option<LinkKeys>,
    /// Deliver the stream to functions under `cargo lambda watch` at this address, such as http://127.0.0.1:9001,
    /// instead of running them in this process.
    #[arg(long, value_name = "URL")]
    stream_to: Option<String>,
    /// Name of the table.
    #[arg(long, env = "TABLE_NAME", default_value = "EcommerceApp")]
    table: String,
    #[command(flatten)]
    own_tables: OwnTables,
    /// E-mail of the admin. Without it an admin is created, and its password printed once on standard error.
    #[arg(long, env = "ADMIN_EMAIL", requires = "admin_password")]
    admin_email: Option<String>,
    /// Password of the admin, 8 to 128 characters; preferably set as ADMIN_PASSWORD.
    #[arg(long, env = "ADMIN_PASSWORD", hide_env_values = true, requires = "admin_email")]
    admin_password: Option<String>,
    /// Storefronts that browsers may call from, such as http://localhost:5173; comma-separated.
    #[arg(long, env = "ALLOWED_ORIGINS", default_value = "", hide_default_value = true)]
    allowed_origins: String,
    /// Number of trusted proxies in front of this gateway, whose X-Forwarded-For is used, such as a storefront that
    /// calls for its shoppers.
    #[arg(long, env = "TRUSTED_PROXY_HOPS", default_value = "0", value_parser = Policy::parse_trusted_proxy_hops)]
    trusted_proxy_hops: u8,
    /// Additional path of the API, such as /prod, as behind a named stage or a mapping with a key.
    #[arg(long, env = "BASE_PATH", default_value = "", hide_default_value = true, value_parser = BasePath::parse)]
    base_path: BasePath,
    /// The language that products are searched in: en or de.
    #[arg(long, env = "SEARCH_LANGUAGE", default_value = "en", value_parser = search_language)]
    search_language: Language,
    /// Whether a checkout needs an address: `required`, or `optional` for a shop that does not ship.
    #[arg(long, env = "SHIPPING_ADDRESS", default_value = "required", action = clap::ArgAction::Set, value_parser = Policy::parse_shipping_address)]
    shipping_address: bool,
}

#[derive(Clone)]
enum Data {
    Memory,
    Folder(PathBuf),
}

fn data(text: &str) -> Result<Data, String> {
    match text {
        "" => Err("it is empty: name a folder, or `memory`".to_owned()),
        "memory" => Ok(Data::Memory),
        folder => Ok(Data::Folder(PathBuf::from(folder))),
    }
}

fn search_language(text: &str) -> Result<Language, String> {
    Language::parse(text).ok_or_else(|| "neither en nor de".to_owned())
}

#[derive(Clone, Copy, ValueEnum)]
enum SeedArgument {
    /// 60 products in 8 categories.
    Sample,
    /// An empty shop.
    None,
}

#[derive(Clone, Copy, ValueEnum)]
enum PaymentsArgument {
    /// A provider on this machine: `tok_visa` pays, `tok_declined` declines, `tok_3ds` asks the customer.
    Local,
    /// Stripe, with STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRETS and optionally STRIPE_PUBLISHABLE_KEY, PAYMENT_RETURN_URL
    /// and STRIPE_ENDPOINT.
    Stripe,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Switch {
    On,
    Off,
}

impl Arguments {
    fn options(self) -> Result<StackOptions, String> {
        let currency = domain::parse_currency(&self.currency).map_err(|e| format!("--{e}"))?;
        let admin = match (self.admin_email, self.admin_password) {
            (Some(email), Some(password)) => Some(AdminAccount {
                email: Email::parse(&email).map_err(|e| format!("ADMIN_EMAIL: {}", e.reason))?,
                password: Password::choose(&password).map_err(|e| format!("ADMIN_PASSWORD: {}", e.reason))?,
            }),
            _ => None,
        };
        let provider: Option<Arc<dyn PaymentProvider>> = match self.payments {
            PaymentsArgument::Local => None,
            PaymentsArgument::Stripe => Some(Arc::new(Stripe::new(StripeConfig::from_env(runtime::variable)?)?)),
        };
        let tables = self.own_tables.beside(&self.table).map_err(|e| e.to_string())?;
        Ok(StackOptions {
            port: self.port,
            engine_port: self.engine_port,
            s3_port: self.s3_port,
            data: match self.data {
                Data::Memory => None,
                Data::Folder(folder) => Some(folder),
            },
            tables,
            seed: match self.seed {
                SeedArgument::Sample => Seed::Sample,
                SeedArgument::None => Seed::None,
            },
            policy: Policy {
                currency,
                hold: self.hold_minutes,
                rates: (self.limits == Switch::On).then(Rates::default),
                origins: Policy::parse_origins(&self.allowed_origins).map_err(|e| format!("--allowed-origins: {e}"))?,
                trusted_proxy_hops: self.trusted_proxy_hops,
                base_path: self.base_path,
                address_required: self.shipping_address,
                show_costs: true,
                metrics: None,
            },
            admin,
            ledger: self.ledger,
            provider,
            search_language: self.search_language,
            streams: self.stream_to.map_or(Streams::On, Streams::To),
            mail: self.mail,
            link_keys: self.link_keys,
            order_link_keys: self.order_link_keys,
            account_url: self.account_url,
            mail_limits: (self.limits == Switch::On).then(MailLimits::default),
            order_url: self.order_url,
            ..StackOptions::default()
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    // A data folder, a ledger and mail may be readable by their owner only.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr);
    let filter = telemetry::log_filter("warn,dynoxide=error");
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let elsewhere = arguments.stream_to.clone();
    let mut stop = Stop::listen().map_err(|e| e.to_string())?;
    let options = StackOptions { announce_admin, ..arguments.options()? };
    // If it is interrupted here, no client was served; the next start creates it again.
    let stack = tokio::select! {
        stack = Stack::start(options) => stack.map_err(|e| error_chain(&e))?,
        () = stop.asked_for() => return Ok(()),
    };
    let (url, dynamodb, s3, table) = (stack.url(), &stack.dynamodb, stack.s3, stack.table.name());
    eprintln!("{}", mail_goes(&stack.mail, elsewhere.as_deref()));
    eprintln!("audit log: cargo run -p ops -- audit --endpoint {dynamodb} --s3-endpoint http://{s3}");
    let mut stdout = std::io::stdout();
    writeln!(stdout, "ready {url} dynamodb={dynamodb} s3=http://{s3} table={table}")
        .and_then(|()| stdout.flush())
        .map_err(|e| e.to_string())?;
    stop.asked_for().await;
    stack.stop().await;
    Ok(())
}

/// Where mail can be read. Functions elsewhere have their own environment.
fn mail_goes(folder: &Path, elsewhere: Option<&str>) -> String {
    match elsewhere {
        None => format!("mail in {}", folder.display()),
        Some(url) => {
            format!("mail is sent by the functions at {url}, to where the MAIL_FOLDER of their environment says")
        }
    }
}

fn announce_admin(email: &str, password: &str) -> std::io::Result<()> {
    writeln!(std::io::stderr(), "admin {email} with password {password}")
}

/// Ctrl-C and SIGTERM; once this exists, neither ends the process by itself.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Resolves once either was received.
    async fn asked_for(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_documented_settings_have_every_flag() {
        let document = include_str!("../../../docs/local-stack.md");
        let command = Arguments::command();
        let flags = command.get_arguments().filter_map(|argument| argument.get_long());

        for flag in flags.filter(|flag| !matches!(*flag, "help" | "version")) {
            let row = document.lines().find(|line| line.starts_with(&format!("| `--{flag}`")));

            assert!(row.is_some(), "--{flag} is missing in the settings of docs/local-stack.md");
        }
    }

    #[test]
    fn the_stack_prints_where_mail_goes_even_if_other_functions_send_it() {
        let folder = Path::new("/data/mail");

        assert_eq!(mail_goes(folder, None), "mail in /data/mail");
        let elsewhere = mail_goes(folder, Some("http://127.0.0.1:9001"));
        assert!(elsewhere.contains("http://127.0.0.1:9001") && !elsewhere.contains("/data/mail"), "{elsewhere}");
    }
}
