use aws_config::BehaviorVersion;
use clap::Args;
use ops::OwnTables;
use table::{Descriptions, Endpoints, Place, SameName, Table, TableConfig, TableNames, Timeouts, Transport};

/// Defaults for the local stack. On AWS there is no default: an existing table may be the one from before a restore, or
/// another shop's.
pub const LOCAL_TABLE: &str = "EcommerceApp";
const LOCAL_BUCKET: &str = "onetill-descriptions";

/// The shop that a command works on.
#[derive(Debug, Args)]
pub struct ShopArgs {
    /// The shop's table; optional with --endpoint
    #[arg(long, value_name = "NAME", env = "TABLE_NAME", required_unless_present = "endpoint")]
    table: Option<String>,
    #[command(flatten)]
    own_tables: OwnTables,
    /// The bucket for descriptions of more than 1,024 bytes; optional with --endpoint
    #[arg(long, value_name = "NAME", env = "BUCKET_NAME", required_unless_present = "endpoint")]
    bucket: Option<String>,
    #[command(flatten)]
    endpoints: EndpointArgs,
}

/// Its endpoints.
#[derive(Debug, Args)]
pub struct EndpointArgs {
    /// A local DynamoDB engine instead of AWS
    #[arg(long, value_name = "URL", env = "DYNAMODB_ENDPOINT", requires = "s3_endpoint")]
    endpoint: Option<String>,
    /// A local S3 instead of AWS
    #[arg(long, value_name = "URL", env = "S3_ENDPOINT", requires = "endpoint")]
    s3_endpoint: Option<String>,
}

impl ShopArgs {
    pub async fn connect(&self) -> Result<(Table, Descriptions), SameName> {
        let tables = self.own_tables.beside(self.table.as_deref().unwrap_or(LOCAL_TABLE))?;
        let bucket = self.bucket.as_deref().unwrap_or(LOCAL_BUCKET);
        Ok(self.endpoints.connect(tables, bucket).await)
    }
}

impl EndpointArgs {
    pub fn are_local(&self) -> bool {
        self.endpoint.is_some()
    }

    pub async fn connect(&self, tables: TableNames, bucket: &str) -> (Table, Descriptions) {
        let transport = Transport::default();
        let place = match self.endpoint.clone().zip(self.s3_endpoint.clone()) {
            Some((dynamodb, s3)) => Place::Local(Endpoints { dynamodb, s3 }),
            None => {
                // As the AWS CLI finds them: an operator has a profile, a role to assume, a session of SSO.
                let aws = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(transport.for_reads());
                Place::Aws(Box::new(aws.load().await))
            }
        };
        let config = TableConfig {
            tables,
            bucket: bucket.to_owned(),
            place,
            // Long timeouts on AWS too: an operator's machine may be far from the table, and no customer waits for an
            // answer.
            timeouts: Timeouts::LOCAL,
            transport,
        };
        config.connect()
    }
}
