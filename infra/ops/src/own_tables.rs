use clap::Args;
use table::{SameName, TableNames, keys::DataKind};

/// The tables of kinds of data that have their own.
#[derive(Debug, Clone, Args)]
pub struct OwnTables {
    /// The table of products and categories, if it is not the shop's table
    #[arg(long, value_name = "NAME", env = "CATALOGUE_TABLE")]
    catalogue_table: Option<String>,
    /// The table of orders and sales, if it is not the shop's table
    #[arg(long, value_name = "NAME", env = "ORDERS_TABLE")]
    orders_table: Option<String>,
    /// The table of sessions, if it is not the shop's table
    #[arg(long, value_name = "NAME", env = "SESSIONS_TABLE")]
    sessions_table: Option<String>,
}

impl OwnTables {
    /// With the table of everything else.
    pub fn beside(&self, table: &str) -> Result<TableNames, SameName> {
        let own = |kind| match kind {
            DataKind::Catalogue => self.catalogue_table.clone(),
            DataKind::Orders => self.orders_table.clone(),
            DataKind::Sessions => self.sessions_table.clone(),
            DataKind::Rest => None,
        };
        TableNames::new(table.to_owned(), own)
    }
}
