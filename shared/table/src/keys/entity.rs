//! What an item is, read from its key.

use super::{
    ACCOUNT_LINK_PREFIX, ADDRESS_PREFIX, CART, CATALOG, CATEGORIES_BEFORE, CATEGORIES_MIGRATED, CATEGORY_PREFIX,
    CATEGORY_RENAME_PREFIX, CATEGORY_RENAMING_PREFIX, CREDENTIAL, EMAIL_PREFIX, FLASH_SALE_PREFIX, GUEST_ACCOUNT,
    IDEMPOTENCY_PREFIX, Key, NOTIFICATION_PREFIX, NOTIFICATION_SENT, ORDER_CONTACT_PREFIX, ORDER_LINE_PREFIX,
    ORDER_LOOKUP, ORDER_LOOKUP_PREFIX, ORDER_NUMBER_PREFIX, ORDER_PREFIX, ORDER_REFERENCE_PREFIX, ORDER_STATUS,
    PAYMENT_EVENT_PREFIX, PRODUCT_CATEGORY, PRODUCT_PAGE_PREFIX, PRODUCT_PREFIX, PROFILE, RATE_COUNTER, RATE_PREFIX,
    RATING_SUFFIX, REVIEW_COUNTED_PREFIX, REVIEW_PREFIX, SALE_BOUGHT, SALE_CONFIG_PREFIX, SALE_LOT_PREFIX, SALE_PREFIX,
    SEARCH_CHANGED_PREFIX, SEARCH_GONE_PREFIX, SEARCH_MANIFEST, SEARCH_PREFIX, SEARCH_REBUILD, SEARCH_RULES, SESSION,
    SESSION_PREFIX, STOCK_INFIX, STOCK_MOVE_PREFIX, USER_PREFIX,
};

/// A kind of data, which can have a table of its own with its own capacity; see [`crate::TableNames`]. A partition is of one
/// kind, so that what is read together stays together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DataKind {
    /// Products with their stock, categories, and which of them search knows: read all day, changed seldom.
    Catalogue,
    /// Orders, and what else a checkout writes: sales, idempotency records.
    Orders,
    /// Sessions and rate counters: short-lived, and not worth recovering.
    Sessions,
    /// Customers with their carts, and records of what was sent to them.
    Rest,
}

/// What the items of a partition belong to. Roles and stream filters are written in these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Partition {
    Catalog,
    Category,
    Credential,
    FlashSale,
    Idempotency,
    Notification,
    Order,
    OrderContact,
    OrderLookup,
    OrderNumber,
    OrderReference,
    Product,
    Rate,
    Sale,
    Search,
    Session,
    User,
}

impl Partition {
    pub const ALL: [Self; 17] = [
        Self::Catalog,
        Self::Category,
        Self::Credential,
        Self::FlashSale,
        Self::Idempotency,
        Self::Notification,
        Self::Order,
        Self::OrderContact,
        Self::OrderLookup,
        Self::OrderNumber,
        Self::OrderReference,
        Self::Product,
        Self::Rate,
        Self::Sale,
        Self::Search,
        Self::Session,
        Self::User,
    ];

    /// What its partition keys begin with, up to the first `#`; of the one catalogue, the whole key.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Catalog => CATALOG,
            Self::Category => CATEGORY_PREFIX,
            Self::Credential => EMAIL_PREFIX,
            Self::FlashSale => FLASH_SALE_PREFIX,
            Self::Idempotency => IDEMPOTENCY_PREFIX,
            Self::Notification => NOTIFICATION_PREFIX,
            Self::Order => ORDER_PREFIX,
            Self::OrderContact => ORDER_CONTACT_PREFIX,
            Self::OrderLookup => ORDER_LOOKUP_PREFIX,
            Self::OrderNumber => ORDER_NUMBER_PREFIX,
            Self::OrderReference => ORDER_REFERENCE_PREFIX,
            Self::Product => PRODUCT_PREFIX,
            Self::Rate => RATE_PREFIX,
            Self::Sale => SALE_PREFIX,
            Self::Search => SEARCH_PREFIX,
            Self::Session => SESSION_PREFIX,
            Self::User => USER_PREFIX,
        }
    }

    pub const fn kind(self) -> DataKind {
        match self {
            Self::Catalog | Self::Category | Self::Product | Self::Search => DataKind::Catalogue,
            Self::FlashSale
            | Self::Idempotency
            | Self::Order
            | Self::OrderContact
            | Self::OrderNumber
            | Self::OrderReference
            | Self::Sale => DataKind::Orders,
            Self::Rate | Self::Session => DataKind::Sessions,
            Self::Credential | Self::Notification | Self::OrderLookup | Self::User => DataKind::Rest,
        }
    }

    /// Whether the prefix is the whole key.
    pub fn is_single(self) -> bool {
        !self.prefix().ends_with('#')
    }

    /// The partition that a partition key names.
    pub fn of(pk: &str) -> Option<Self> {
        let fits = |partition: &Self| match partition.is_single() {
            true => pk == partition.prefix(),
            false => pk.starts_with(partition.prefix()),
        };
        Self::ALL.into_iter().find(fits)
    }
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entity {
    CategoriesBefore,
    CategoriesMigrated,
    CategoryRename,
    CategoryRenaming,
    Category,
    Credential,
    Idempotency,
    Notification,
    Order,
    OrderLine,
    PaymentEvent,
    OrderByNumber,
    OrderByContact,
    OrderByReference,
    OrderLookup,
    Product,
    Stock,
    Rating,
    ProductCategory,
    StockMove,
    Review,
    ReviewCounted,
    Rate,
    Sale,
    SaleBuyer,
    SaleConfig,
    SaleLot,
    SearchManifest,
    SearchRebuild,
    SearchRules,
    SearchGone,
    SearchChanged,
    Session,
    Profile,
    Address,
    AccountLink,
    GuestAccount,
    Cart,
    SessionListed,
    CustomerOrder,
}

/// What a sort key has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    Any,
    Exactly(&'static str),
    StartsWith(&'static str),
}

impl Entity {
    const ALL: [Self; 40] = [
        Self::CategoriesBefore,
        Self::CategoriesMigrated,
        Self::CategoryRename,
        Self::CategoryRenaming,
        Self::Category,
        Self::Credential,
        Self::Idempotency,
        Self::Notification,
        Self::Order,
        Self::OrderLine,
        Self::PaymentEvent,
        Self::OrderByNumber,
        Self::OrderByContact,
        Self::OrderByReference,
        Self::OrderLookup,
        Self::Product,
        Self::Stock,
        Self::Rating,
        Self::ProductCategory,
        Self::StockMove,
        Self::Review,
        Self::ReviewCounted,
        Self::Rate,
        Self::Sale,
        Self::SaleBuyer,
        Self::SaleConfig,
        Self::SaleLot,
        Self::SearchManifest,
        Self::SearchRebuild,
        Self::SearchRules,
        Self::SearchGone,
        Self::SearchChanged,
        Self::Session,
        Self::Profile,
        Self::Address,
        Self::AccountLink,
        Self::GuestAccount,
        Self::Cart,
        Self::SessionListed,
        Self::CustomerOrder,
    ];

    /// Where its items are: the partition, and what can be said of their sort keys before they are taken apart.
    pub const fn place(self) -> (Partition, SortKey) {
        use SortKey::{Any, Exactly, StartsWith};
        match self {
            Self::CategoriesBefore => (Partition::Catalog, Exactly(CATEGORIES_BEFORE)),
            Self::CategoriesMigrated => (Partition::Catalog, Exactly(CATEGORIES_MIGRATED)),
            Self::CategoryRename => (Partition::Catalog, StartsWith(CATEGORY_RENAME_PREFIX)),
            Self::CategoryRenaming => (Partition::Catalog, StartsWith(CATEGORY_RENAMING_PREFIX)),
            Self::Category => (Partition::Category, Any),
            Self::Credential => (Partition::Credential, Exactly(CREDENTIAL)),
            Self::Idempotency => (Partition::Idempotency, Any),
            Self::Notification => (Partition::Notification, Exactly(NOTIFICATION_SENT)),
            Self::Order => (Partition::Order, Exactly(ORDER_STATUS)),
            Self::OrderLine => (Partition::Order, StartsWith(ORDER_LINE_PREFIX)),
            Self::PaymentEvent => (Partition::Order, StartsWith(PAYMENT_EVENT_PREFIX)),
            Self::OrderByNumber => (Partition::OrderNumber, Any),
            Self::OrderByContact => (Partition::OrderContact, Any),
            Self::OrderByReference => (Partition::OrderReference, Any),
            Self::OrderLookup => (Partition::OrderLookup, Exactly(ORDER_LOOKUP)),
            Self::Product | Self::Stock | Self::Rating => (Partition::Product, StartsWith(PRODUCT_PAGE_PREFIX)),
            Self::ProductCategory => (Partition::Product, Exactly(PRODUCT_CATEGORY)),
            Self::StockMove => (Partition::Product, StartsWith(STOCK_MOVE_PREFIX)),
            Self::Review => (Partition::Product, StartsWith(REVIEW_PREFIX)),
            Self::ReviewCounted => (Partition::Product, StartsWith(REVIEW_COUNTED_PREFIX)),
            Self::Rate => (Partition::Rate, Exactly(RATE_COUNTER)),
            Self::Sale => (Partition::FlashSale, StartsWith(SALE_PREFIX)),
            Self::SaleBuyer => (Partition::Sale, Exactly(SALE_BOUGHT)),
            Self::SaleConfig => (Partition::FlashSale, StartsWith(SALE_CONFIG_PREFIX)),
            Self::SaleLot => (Partition::Sale, StartsWith(SALE_LOT_PREFIX)),
            Self::SearchManifest => (Partition::Search, Exactly(SEARCH_MANIFEST)),
            Self::SearchRebuild => (Partition::Search, Exactly(SEARCH_REBUILD)),
            Self::SearchRules => (Partition::Search, Exactly(SEARCH_RULES)),
            Self::SearchGone => (Partition::Search, StartsWith(SEARCH_GONE_PREFIX)),
            Self::SearchChanged => (Partition::Search, StartsWith(SEARCH_CHANGED_PREFIX)),
            Self::Session => (Partition::Session, Exactly(SESSION)),
            Self::Profile => (Partition::User, Exactly(PROFILE)),
            Self::Address => (Partition::User, StartsWith(ADDRESS_PREFIX)),
            Self::AccountLink => (Partition::User, StartsWith(ACCOUNT_LINK_PREFIX)),
            Self::GuestAccount => (Partition::User, Exactly(GUEST_ACCOUNT)),
            Self::Cart => (Partition::User, Exactly(CART)),
            Self::SessionListed => (Partition::User, StartsWith(SESSION_PREFIX)),
            Self::CustomerOrder => (Partition::User, StartsWith(ORDER_PREFIX)),
        }
    }

    fn has(self, sk: &str) -> bool {
        match (self, self.place().1) {
            (Self::Product, SortKey::StartsWith(prefix)) => sk.strip_prefix(prefix).is_some_and(|id| !id.contains('#')),
            (Self::Stock, SortKey::StartsWith(prefix)) => sk.starts_with(prefix) && sk.contains(STOCK_INFIX),
            (Self::Rating, SortKey::StartsWith(prefix)) => sk.starts_with(prefix) && sk.ends_with(RATING_SUFFIX),
            (_, SortKey::Any) => true,
            (_, SortKey::Exactly(whole)) => sk == whole,
            (_, SortKey::StartsWith(prefix)) => sk.starts_with(prefix),
        }
    }
}

impl Key {
    /// What the item is; `None` if the key is none of this table's. Ids in it may still not read.
    pub fn entity(&self) -> Option<Entity> {
        let partition = Partition::of(&self.pk)?;
        Entity::ALL.into_iter().find(|entity| entity.place().0 == partition && entity.has(&self.sk))
    }
}
