//! The names of the tables. By default all items are in one; a kind of data can have a table of its own.

use std::fmt;

use crate::keys::{DataKind, Partition};

/// The table, and the tables of the kinds of data that have their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableNames {
    /// Of customers and of everything that has no table of its own.
    table: String,
    catalogue: Option<String>,
    orders: Option<String>,
    sessions: Option<String>,
}

/// Two kinds of data in one table that is not the table of everything: an item's kind could not be seen from its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SameName(DataKind, DataKind);

impl fmt::Display for SameName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = [self.0, self.1].map(|kind| kind.variable());
        write!(f, "{one} and {other} name the same table: give each its own, or leave them out and use TABLE_NAME")
    }
}

impl std::error::Error for SameName {}

impl DataKind {
    pub const ALL: [Self; 4] = [Self::Catalogue, Self::Orders, Self::Sessions, Self::Rest];

    /// The environment variable with the name of its table.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Catalogue => "CATALOGUE_TABLE",
            Self::Orders => "ORDERS_TABLE",
            Self::Sessions => "SESSIONS_TABLE",
            Self::Rest => "TABLE_NAME",
        }
    }
}

impl TableNames {
    /// Everything in one table.
    pub fn one(table: impl Into<String>) -> Self {
        Self { table: table.into(), catalogue: None, orders: None, sessions: None }
    }

    /// A table for each kind of data, named after the first: for tests and trials.
    pub fn split(table: &str) -> Self {
        let own = |kind: &str| Some(format!("{table}-{kind}"));
        Self { table: table.to_owned(), catalogue: own("Catalogue"), orders: own("Orders"), sessions: own("Sessions") }
    }

    /// A kind without a name, with an empty one, or with the name of the table has no table of its own.
    ///
    /// # Errors
    /// Two kinds have the same table of their own.
    pub fn new(table: String, name_of: impl Fn(DataKind) -> Option<String>) -> Result<Self, SameName> {
        let own = |kind| name_of(kind).filter(|name| !name.is_empty() && *name != table);
        let (catalogue, orders, sessions) = (own(DataKind::Catalogue), own(DataKind::Orders), own(DataKind::Sessions));
        let names = [(DataKind::Catalogue, &catalogue), (DataKind::Orders, &orders), (DataKind::Sessions, &sessions)];
        for (i, (one, name)) in names.into_iter().enumerate() {
            let same = names[i + 1..].iter().find(|(_, other)| name.is_some() && *other == name);
            if let Some((other, _)) = same {
                return Err(SameName(one, *other));
            }
        }
        Ok(Self { table, catalogue, orders, sessions })
    }

    /// The table of a kind of data.
    pub fn of(&self, kind: DataKind) -> &str {
        let own = match kind {
            DataKind::Catalogue => &self.catalogue,
            DataKind::Orders => &self.orders,
            DataKind::Sessions => &self.sessions,
            DataKind::Rest => &None,
        };
        own.as_ref().unwrap_or(&self.table)
    }

    /// The table that a partition is in. One that has no form of ours is in the table.
    pub fn of_partition(&self, pk: &str) -> &str {
        self.of(Partition::of(pk).map_or(DataKind::Rest, Partition::kind))
    }

    /// The kinds of data that are in a table together, for each table.
    pub fn tables(&self) -> Vec<(&str, Vec<DataKind>)> {
        let mut tables: Vec<(&str, Vec<DataKind>)> = vec![(&self.table, Vec::new())];
        for kind in DataKind::ALL {
            let name = self.of(kind);
            match tables.iter_mut().find(|(table, _)| *table == name) {
                Some((_, kinds)) => kinds.push(kind),
                None => tables.push((name, vec![kind])),
            }
        }
        tables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(variables: &[(&str, &str)]) -> Result<TableNames, SameName> {
        let own = |kind: DataKind| {
            variables.iter().find(|(name, _)| *name == kind.variable()).map(|(_, value)| (*value).to_owned())
        };
        TableNames::new("Shop".to_owned(), own)
    }

    #[test]
    fn without_variables_everything_is_in_one_table() {
        let names = named(&[("ORDERS_TABLE", ""), ("SESSIONS_TABLE", "Shop")]).unwrap();

        assert_eq!(names, TableNames::one("Shop"));
        assert_eq!(names.tables(), [("Shop", DataKind::ALL.to_vec())]);
    }

    #[test]
    fn a_kind_with_a_table_of_its_own_leaves_the_others_where_they_are() {
        let names = named(&[("CATALOGUE_TABLE", "Catalogue")]).unwrap();

        assert_eq!(names.of_partition("PROD#mug"), "Catalogue");
        assert_eq!(names.of_partition("CATALOG"), "Catalogue");
        for elsewhere in ["ORDER#1", "SESSION#1", "USER#1", "none of ours"] {
            assert_eq!(names.of_partition(elsewhere), "Shop");
        }
        let rest = vec![DataKind::Orders, DataKind::Sessions, DataKind::Rest];
        assert_eq!(names.tables(), [("Shop", rest), ("Catalogue", vec![DataKind::Catalogue])]);
    }

    #[test]
    fn two_kinds_in_one_table_that_is_not_the_table_are_refused() {
        let refused = named(&[("ORDERS_TABLE", "Busy"), ("SESSIONS_TABLE", "Busy")]).unwrap_err();

        assert!(refused.to_string().starts_with("ORDERS_TABLE and SESSIONS_TABLE name the same table"));
    }

    #[test]
    fn each_partition_is_in_one_table() {
        let names = TableNames::split("Shop");

        let tables = names.tables();

        assert_eq!(tables.len(), DataKind::ALL.len());
        for partition in Partition::ALL {
            let table = names.of_partition(partition.prefix());
            let kinds = tables.iter().find(|(name, _)| *name == table).map(|(_, kinds)| kinds.clone());
            assert_eq!(kinds, Some(vec![partition.kind()]), "{partition:?}");
        }
    }
}
