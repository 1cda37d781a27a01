//! Every template of a partition key, a sort key and an index key, in one place, with its inverse: [`Key::entity`] says
//! what an item is, and functions such as [`product_id`] read the id in a key.
//!
//! Ids cannot contain `#` (see `domain`), so no id can reach into another's key.

mod entity;

use std::{collections::HashMap, str::FromStr};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    AccountAction, AddressId, CategoryPath, CategoryRenameId, Email, IdempotencyKey, Invalid, LinkRequestId, LotId,
    OrderId, OrderNumber, OrderState, PaymentEventId, ProductId, ProviderId, SaleId, SessionId, Timestamp, UserId,
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub use entity::{DataKind, Entity, Partition, SortKey};

pub const PK: &str = "PK";
pub const SK: &str = "SK";

/// Number of partitions of the price index over the whole catalogue.
pub const PRICE_SHARDS: u8 = 8;

/// Number of partitions of the due index, which each checkout writes twice. Entries of shards below an earlier, smaller
/// number are read like all others; and an order's next write puts or removes its own, whatever shard it had.
pub const DUE_SHARDS: u8 = 16;

/// Number of partitions that a state and a day have in `order-state-index`: a thousand confirmations a second are as many
/// writes as one partition takes, and an index that is throttled throttles the table.
pub const STATE_SHARDS: u8 = 8;

/// Number of partitions of the products that wait to be indexed, so that an import can note 4,000 a second.
pub const SEARCH_SHARDS: u8 = 4;

/// Number of identical copies of the configuration of sales.
pub const SALE_COPIES: u8 = 8;

/// The value of `featured` on every featured product.
pub const FEATURED: &str = "FEATURED";

/// The stock shard of a product that is not in a flash sale.
pub const ONLY_STOCK_SHARD: &str = "00";

/// The prefix of what a product's page reads: META and stock, but neither ledger nor reviews.
pub const PRODUCT_PAGE_PREFIX: &str = "META#";
/// The maximum items of a product's page: META, the rating, and 100 stock shards.
pub const PRODUCT_PAGE_ITEMS: i32 = 102;
pub const REVIEW_PREFIX: &str = "REVIEW#";
pub const PRODUCT_PREFIX: &str = "PROD#";
pub const ORDER_PREFIX: &str = "ORDER#";
pub const USER_PREFIX: &str = "USER#";
pub const SESSION_PREFIX: &str = "SESSION#";
pub const ADDRESS_PREFIX: &str = "ADDRESS#";
pub const ACCOUNT_LINK_PREFIX: &str = "LINK#";
pub const PROFILE: &str = "PROFILE";
pub const GUEST_ACCOUNT: &str = "ACCOUNT";
pub const ORDER_STATUS: &str = "STATUS";
pub const ORDER_LINE_PREFIX: &str = "ITEM#";
pub const STOCK_MOVE_PREFIX: &str = "MOVE#";
pub const CATALOG: &str = "CATALOG";
pub const CATEGORY_RENAME_PREFIX: &str = "RENAME#";
pub const CATEGORY_RENAMING_PREFIX: &str = "RENAMING#";
pub const SALE_PREFIX: &str = "SALE#";
pub const SALE_CONFIG_PREFIX: &str = "CONFIG#";
pub const SALE_LOT_PREFIX: &str = "LOT#";
pub const SEARCH_GONE_PREFIX: &str = "GONE#";
const SEARCH_PREFIX: &str = "SEARCH#";
const SEARCH_INDEX: &str = "SEARCH#INDEX";
const SEARCH_MANIFEST: &str = "MANIFEST";
const SEARCH_REBUILD: &str = "REBUILD";
const SEARCH_RULES: &str = "RULES";
const SEARCH_CHANGED_PREFIX: &str = "PRODUCT#";
const FLASH_SALE_PREFIX: &str = "FLASH_SALE#";
const SALE_BUYER_INFIX: &str = "#BY#";
const SALE_BOUGHT: &str = "BOUGHT";
const CATEGORY_PREFIX: &str = "CAT#";
const EMAIL_PREFIX: &str = "EMAIL#";
const IDEMPOTENCY_PREFIX: &str = "IDEM#";
const RATE_PREFIX: &str = "RATE#";
const ORDER_NUMBER_PREFIX: &str = "ORDERNO#";
const ORDER_CONTACT_PREFIX: &str = "CONTACT#";
const ORDER_REFERENCE_PREFIX: &str = "PAYREF#";
const ORDER_LOOKUP_PREFIX: &str = "LOOKUP#";
const NOTIFICATION_PREFIX: &str = "NOTIFY#";
const STOCK_INFIX: &str = "#STOCK#";
const RATING_SUFFIX: &str = "#RATING";
const REVIEW_COUNTED_PREFIX: &str = "COUNTED#";
const PRODUCT_CATEGORY: &str = "CATEGORY";
const CATEGORIES_BEFORE: &str = "CATEGORIES";
const CATEGORIES_MIGRATED: &str = "CATEGORIES#MIGRATED";
const CREDENTIAL: &str = "CREDENTIAL";
const CART: &str = "CART";
const SESSION: &str = "SESSION";
const PAYMENT_EVENT_PREFIX: &str = "PAYMENT#";
const RATE_COUNTER: &str = "COUNTER";
const NOTIFICATION_SENT: &str = "SENT";
const ORDER_LOOKUP: &str = "REQUEST";

/// Separates the levels of a category's sort key. No name contains it, because it is a control character, and it sorts
/// before all characters that names contain: so a category's children directly follow it.
const LEVEL_SEPARATOR: &str = "\u{1f}";

/// The primary key of one item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub pk: String,
    pub sk: String,
}

impl Key {
    fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    pub(crate) fn into_item(self) -> HashMap<String, AttributeValue> {
        HashMap::from([(PK.to_owned(), AttributeValue::S(self.pk)), (SK.to_owned(), AttributeValue::S(self.sk))])
    }
}

/// The key of an item, if it has this table's form.
pub(crate) fn key_of_item(item: &HashMap<String, AttributeValue>) -> Option<Key> {
    let part = |name| item.get(name)?.as_s().ok().cloned();
    Some(Key { pk: part(PK)?, sk: part(SK)? })
}

/// The id behind a prefix of a key.
fn id<T: FromStr<Err = Invalid>>(part: &str, prefix: &str) -> Result<T, Invalid> {
    part.strip_prefix(prefix).unwrap_or_default().parse()
}

/// The product of a partition.
pub fn product_id(pk: &str) -> Result<ProductId, Invalid> {
    id(pk, PRODUCT_PREFIX)
}

/// The customer or guest of a partition.
pub fn user_id(pk: &str) -> Result<UserId, Invalid> {
    id(pk, USER_PREFIX)
}

/// The order of a partition.
pub fn order_id(pk: &str) -> Result<OrderId, Invalid> {
    id(pk, ORDER_PREFIX)
}

/// The session of a partition, or of its entry in the list of its customer.
pub fn session_id(part: &str) -> Result<SessionId, Invalid> {
    id(part, SESSION_PREFIX)
}

/// The request for a link to an order that a partition is for.
pub(crate) fn order_lookup_id(pk: &str) -> Result<LinkRequestId, Invalid> {
    id(pk, ORDER_LOOKUP_PREFIX)
}

/// The customer whose review it is, of its sort key.
pub fn reviewer_id(sk: &str) -> Result<UserId, Invalid> {
    id(sk, REVIEW_PREFIX)
}

pub fn product_pk(id: &ProductId) -> String {
    format!("{PRODUCT_PREFIX}{id}")
}

pub fn product(id: &ProductId) -> Key {
    Key::new(product_pk(id), format!("{PRODUCT_PAGE_PREFIX}{id}"))
}

pub fn stock(id: &ProductId, shard: &str) -> Key {
    Key::new(product_pk(id), format!("{PRODUCT_PAGE_PREFIX}{id}{STOCK_INFIX}{shard}"))
}

pub fn stock_move(id: &ProductId, uuid_v7: Uuid) -> Key {
    Key::new(product_pk(id), format!("{STOCK_MOVE_PREFIX}{uuid_v7}"))
}

pub fn review(product: &ProductId, customer: &UserId) -> Key {
    Key::new(product_pk(product), format!("{REVIEW_PREFIX}{customer}"))
}

/// The stars that were counted of a review.
pub fn review_counted(product: &ProductId, customer: &UserId) -> Key {
    Key::new(product_pk(product), format!("{REVIEW_COUNTED_PREFIX}{customer}"))
}

/// The sum of the reviews; below META, so that a product's page reads it without another request.
pub fn rating(product: &ProductId) -> Key {
    Key::new(product_pk(product), format!("{PRODUCT_PAGE_PREFIX}{product}{RATING_SUFFIX}"))
}

/// The one item of the old format that had every category. Only the migration reads it.
pub fn categories_before() -> Key {
    Key::new(CATALOG, CATEGORIES_BEFORE)
}

/// Exists once the migration has processed that item, which may be too full for a mark of its own.
pub fn categories_migrated() -> Key {
    Key::new(CATALOG, CATEGORIES_MIGRATED)
}

/// The partition of the categories of one level: 1 is the top level.
pub fn category_pk(depth: usize) -> String {
    format!("{CATEGORY_PREFIX}{depth}")
}

/// A category, in the partition of its level: the children of one category are adjacent, and the four partitions merged
/// by sort key are the whole tree in the order of its paths.
pub fn category(path: &CategoryPath) -> Key {
    Key::new(category_pk(path.depth()), path.segments().join(LEVEL_SEPARATOR))
}

/// The prefix of the sort keys of all categories below; empty for the empty path.
pub fn category_below(path: &CategoryPath) -> String {
    path.segments().iter().flat_map(|name| [name, LEVEL_SEPARATOR]).collect()
}

/// The names in the sort key of a category.
pub(crate) fn category_names(sk: &str) -> impl Iterator<Item = &str> {
    sk.split(LEVEL_SEPARATOR)
}

/// The category that a product is counted in.
pub fn product_category(id: &ProductId) -> Key {
    Key::new(product_pk(id), PRODUCT_CATEGORY)
}

pub fn category_rename(id: CategoryRenameId) -> Key {
    Key::new(CATALOG, format!("{CATEGORY_RENAME_PREFIX}{id}"))
}

/// Exists as long as the rename is not finished.
pub fn category_renaming(id: CategoryRenameId) -> Key {
    Key::new(CATALOG, format!("{CATEGORY_RENAMING_PREFIX}{id}"))
}

/// The partition of all sales.
pub fn sales_pk() -> String {
    format!("{FLASH_SALE_PREFIX}ALL")
}

/// A sale, in the list of all sales.
pub fn sale(id: SaleId) -> Key {
    Key::new(sales_pk(), format!("{SALE_PREFIX}{id}"))
}

/// The partition of one copy of the configuration of all sales that are not over.
pub fn sale_configs_pk(copy: u8) -> String {
    format!("{FLASH_SALE_PREFIX}{copy}")
}

pub fn sale_config(copy: u8, id: SaleId) -> Key {
    Key::new(sale_configs_pk(copy), format!("{SALE_CONFIG_PREFIX}{id}"))
}

/// The partition of the lots under one key of a sale. The number is in the partition key: shards in the sort key would
/// share one partition.
pub fn sale_lots_pk(id: SaleId, key: u16) -> String {
    format!("{SALE_PREFIX}{id}#{key}")
}

pub fn sale_lot(id: SaleId, lot: LotId) -> Key {
    Key::new(sale_lots_pk(id, lot.key()), format!("{SALE_LOT_PREFIX}{:05}", lot.as_u32()))
}

/// The units that a customer or guest has bought in a sale with a limit.
pub fn sale_buyer(id: SaleId, buyer: &UserId) -> Key {
    Key::new(format!("{SALE_PREFIX}{id}{SALE_BUYER_INFIX}{buyer}"), SALE_BOUGHT)
}

/// The units that were bought in a sale with a limit under an e-mail address. No user id begins with `@`.
pub fn sale_contact(id: SaleId, email: &Email) -> Key {
    Key::new(format!("{SALE_PREFIX}{id}{SALE_BUYER_INFIX}@{}", sha256_hex(email.as_str())), SALE_BOUGHT)
}

/// The partition of all that a search has to know: the manifest, the rules, and what was deleted lately.
pub fn search_pk() -> String {
    SEARCH_INDEX.to_owned()
}

/// Which generation of the index answers.
pub fn search_manifest() -> Key {
    Key::new(SEARCH_INDEX, SEARCH_MANIFEST)
}

/// How far a rebuild of the index is.
pub fn search_rebuild() -> Key {
    Key::new(SEARCH_INDEX, SEARCH_REBUILD)
}

/// Where the rules of staff are.
pub fn search_rules() -> Key {
    Key::new(SEARCH_INDEX, SEARCH_RULES)
}

/// A product that was deleted, and may still be in a generation that answers.
pub fn search_gone(id: &ProductId) -> Key {
    Key::new(SEARCH_INDEX, format!("{SEARCH_GONE_PREFIX}{id}"))
}

/// The partition of the products of one shard that wait to be indexed.
pub fn search_changed_pk(shard: u8) -> String {
    format!("{SEARCH_PREFIX}CHANGED#{shard}")
}

/// A product that waits to be indexed.
pub fn search_changed(id: &ProductId) -> Key {
    let shard = shard_of(id.as_str(), SEARCH_SHARDS);
    Key::new(search_changed_pk(shard), format!("{SEARCH_CHANGED_PREFIX}{id}"))
}

/// The product of an entry of one of the two lists above.
pub(crate) fn search_product_id(sk: &str) -> Result<ProductId, Invalid> {
    id(sk, if sk.starts_with(SEARCH_GONE_PREFIX) { SEARCH_GONE_PREFIX } else { SEARCH_CHANGED_PREFIX })
}

pub fn user_pk(uid: &UserId) -> String {
    format!("{USER_PREFIX}{uid}")
}

pub fn profile(uid: &UserId) -> Key {
    Key::new(user_pk(uid), PROFILE)
}

pub fn credential(email: &Email) -> Key {
    Key::new(format!("{EMAIL_PREFIX}{}", sha256_hex(email.as_str())), CREDENTIAL)
}

pub fn address(uid: &UserId, id: &AddressId) -> Key {
    Key::new(user_pk(uid), format!("{ADDRESS_PREFIX}{id}"))
}

/// The one link of its kind that a customer can use.
pub fn account_link(uid: &UserId, action: AccountAction) -> Key {
    Key::new(user_pk(uid), format!("{ACCOUNT_LINK_PREFIX}{}", action.as_str()))
}

/// In the partition of a guest who logged in: the account.
pub fn guest_account(guest: &UserId) -> Key {
    Key::new(user_pk(guest), GUEST_ACCOUNT)
}

pub fn cart(uid: &UserId) -> Key {
    Key::new(user_pk(uid), CART)
}

pub fn session(id: &SessionId) -> Key {
    Key::new(format!("{SESSION_PREFIX}{id}"), SESSION)
}

/// Of a session that does not exist: no id is empty.
pub(crate) fn no_session() -> Key {
    Key::new(SESSION_PREFIX, SESSION)
}

pub fn session_listed(uid: &UserId, id: &SessionId) -> Key {
    Key::new(user_pk(uid), format!("{SESSION_PREFIX}{id}"))
}

pub fn order_pk(id: OrderId) -> String {
    format!("{ORDER_PREFIX}{id}")
}

pub fn order(id: OrderId) -> Key {
    Key::new(order_pk(id), ORDER_STATUS)
}

pub fn order_line(id: OrderId, product: &ProductId) -> Key {
    Key::new(order_pk(id), format!("{ORDER_LINE_PREFIX}{product}"))
}

pub fn payment_event(id: OrderId, event: &PaymentEventId) -> Key {
    Key::new(order_pk(id), format!("{PAYMENT_EVENT_PREFIX}{event}"))
}

pub fn customer_order(uid: &UserId, id: OrderId) -> Key {
    Key::new(user_pk(uid), format!("{ORDER_PREFIX}{}#{id}", day(id.placed_at())))
}

/// The partition of the orders with a number: mostly one.
pub fn order_number_pk(number: OrderNumber) -> String {
    format!("{ORDER_NUMBER_PREFIX}{number}")
}

/// The partition of the orders with a contact. An e-mail that is stored in an older form counts as what it is today.
pub fn order_contact_pk(email: &Email) -> String {
    let today = Email::parse(email.as_str());
    format!("{ORDER_CONTACT_PREFIX}{}", sha256_hex(today.as_ref().unwrap_or(email).as_str()))
}

/// The partition of the orders that a payment is for.
pub fn order_reference_pk(reference: &ProviderId) -> String {
    format!("{ORDER_REFERENCE_PREFIX}{reference}")
}

/// An order in one of these three partitions.
pub fn order_found(pk: String, id: OrderId) -> Key {
    Key::new(pk, id.to_string())
}

/// A request for a link to an order.
pub fn order_lookup(id: LinkRequestId) -> Key {
    Key::new(format!("{ORDER_LOOKUP_PREFIX}{id}"), ORDER_LOOKUP)
}

pub fn idempotency(uid: &UserId, key: &IdempotencyKey, route: &str) -> Key {
    Key::new(format!("{IDEMPOTENCY_PREFIX}{uid}#{key}"), route)
}

pub fn rate(scope: &str, window: i64) -> Key {
    Key::new(format!("{RATE_PREFIX}{scope}#{window}"), RATE_COUNTER)
}

/// `version` is the order's version that the notification is about.
pub fn notification(order: OrderId, version: u64) -> Key {
    Key::new(format!("{NOTIFICATION_PREFIX}{order}#{version}"), NOTIFICATION_SENT)
}

/// A mail that a request for a link causes. There may be several, `which` names one.
pub fn link_notification(request: LinkRequestId, which: &str) -> Key {
    Key::new(format!("{NOTIFICATION_PREFIX}{request}#{which}"), NOTIFICATION_SENT)
}

/// The hash key of `order-state-index`. Shard 0 has the form that all entries had before there were shards.
pub fn state_day(state: OrderState, day: &str, shard: u8) -> String {
    match shard {
        0 => format!("{}#{day}", state.as_str()),
        shard => format!("{}#{day}#{shard}", state.as_str()),
    }
}

/// The shard of an order in `order-state-index`.
pub fn state_shard(id: OrderId) -> u8 {
    shard_of(&id.to_string(), STATE_SHARDS)
}

/// The hash key of `catalog-price-index`: derived from the id, so that it never changes.
pub fn price_shard(id: &ProductId) -> String {
    price_shard_name(shard_of(id.as_str(), PRICE_SHARDS))
}

pub fn price_shard_name(shard: u8) -> String {
    format!("PRICE#{shard}")
}

/// The hash key of `due-index`.
pub fn due_shard(id: OrderId) -> String {
    due_shard_name(shard_of(&id.to_string(), DUE_SHARDS))
}

pub fn due_shard_name(shard: u8) -> String {
    format!("DUE#{shard}")
}

/// `yyyy-mm-dd`, in UTC.
pub fn day(at: Timestamp) -> String {
    let mut date = at.to_string();
    date.truncate(10);
    date
}

pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    let digest = Sha256::digest(bytes.as_ref());
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

fn shard_of(id: &str, shards: u8) -> u8 {
    // The first byte of a SHA-256 distributes evenly, and is the same in every program.
    Sha256::digest(id.as_bytes())[0] % shards
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(key: Key) -> String {
        format!("{} / {}", key.pk, key.sk)
    }

    #[test]
    fn sort_keys_of_categories_are_in_the_order_of_their_paths() {
        let paths = ["Kitchen", "Kitchen/Mugs", "Kitchen/Mugs/Blue", "Kitchen Toys", "Kitchen-ware", "Kitchen0"];
        let paths = paths.map(|path| CategoryPath::parse(path).unwrap());

        assert!(paths.is_sorted());
        assert!(paths.iter().map(|path| category(path).sk).is_sorted());
    }

    #[test]
    fn keys_have_exactly_this_form() {
        let (mug, ann): (ProductId, UserId) = ("mug-1".parse().unwrap(), "ann".parse().unwrap());
        let oid: OrderId = "018cc251-f400-7000-8000-000000000000".parse().unwrap();
        let sid: SessionId = "5e55".parse().unwrap();

        assert_eq!(show(product(&mug)), "PROD#mug-1 / META#mug-1");
        assert_eq!(show(stock(&mug, ONLY_STOCK_SHARD)), "PROD#mug-1 / META#mug-1#STOCK#00");
        assert_eq!(show(stock_move(&mug, oid.as_uuid())), "PROD#mug-1 / MOVE#018cc251-f400-7000-8000-000000000000");
        assert_eq!(show(review(&mug, &ann)), "PROD#mug-1 / REVIEW#ann");
        assert_eq!(show(review_counted(&mug, &ann)), "PROD#mug-1 / COUNTED#ann");
        assert_eq!(show(rating(&mug)), "PROD#mug-1 / META#mug-1#RATING");
        assert_eq!(show(categories_before()), "CATALOG / CATEGORIES");
        assert_eq!(show(categories_migrated()), "CATALOG / CATEGORIES#MIGRATED");
        let mugs = CategoryPath::parse("Kitchen/Mugs").unwrap();
        assert_eq!(show(category(&mugs)), "CAT#2 / Kitchen\u{1f}Mugs");
        assert_eq!(category_below(&mugs), "Kitchen\u{1f}Mugs\u{1f}");
        assert_eq!(category_below(&CategoryPath::default()), "");
        assert_eq!(show(product_category(&mug)), "PROD#mug-1 / CATEGORY");
        let rename = CategoryRenameId::from(oid.as_uuid());
        assert_eq!(show(category_rename(rename)), "CATALOG / RENAME#018cc251-f400-7000-8000-000000000000");
        assert_eq!(show(category_renaming(rename)), "CATALOG / RENAMING#018cc251-f400-7000-8000-000000000000");
        assert_eq!(show(profile(&ann)), "USER#ann / PROFILE");
        assert_eq!(
            show(credential(&Email::parse("ann@example.com").unwrap())),
            "EMAIL#71d4f55f72fa128dfb468a1a3901507c804b74316488744d769d7f4b16696476 / CREDENTIAL"
        );
        assert_eq!(show(address(&ann, &"home".parse().unwrap())), "USER#ann / ADDRESS#home");
        assert_eq!(show(cart(&ann)), "USER#ann / CART");
        assert_eq!(show(guest_account(&ann)), "USER#ann / ACCOUNT");
        assert_eq!(show(account_link(&ann, AccountAction::ResetPassword)), "USER#ann / LINK#reset-password");
        assert_eq!(show(account_link(&ann, AccountAction::VerifyEmail)), "USER#ann / LINK#verify-email");
        assert_eq!(show(account_link(&ann, AccountAction::ChangeEmail)), "USER#ann / LINK#change-email");
        assert_eq!(show(session(&sid)), "SESSION#5e55 / SESSION");
        assert_eq!(show(session_listed(&ann, &sid)), "USER#ann / SESSION#5e55");
        assert_eq!(show(order(oid)), "ORDER#018cc251-f400-7000-8000-000000000000 / STATUS");
        assert_eq!(show(order_line(oid, &mug)), "ORDER#018cc251-f400-7000-8000-000000000000 / ITEM#mug-1");
        assert_eq!(
            show(payment_event(oid, &"evt_1".parse().unwrap())),
            "ORDER#018cc251-f400-7000-8000-000000000000 / PAYMENT#evt_1"
        );
        assert_eq!(show(customer_order(&ann, oid)), "USER#ann / ORDER#2024-01-01#018cc251-f400-7000-8000-000000000000");
        assert_eq!(
            show(idempotency(&ann, &"0123456789abcdef".parse().unwrap(), "POST /orders")),
            "IDEM#ann#0123456789abcdef / POST /orders"
        );
        let found = |pk: String| show(order_found(pk, oid));
        assert_eq!(found(order_number_pk(oid.into())), "ORDERNO#00000-00000 / 018cc251-f400-7000-8000-000000000000");
        assert_eq!(
            found(order_contact_pk(&Email::parse("ann@example.com").unwrap())),
            "CONTACT#71d4f55f72fa128dfb468a1a3901507c804b74316488744d769d7f4b16696476 / \
             018cc251-f400-7000-8000-000000000000"
        );
        assert_eq!(
            found(order_reference_pk(&"pi_1".parse().unwrap())),
            "PAYREF#pi_1 / 018cc251-f400-7000-8000-000000000000"
        );
        assert_eq!(show(order_lookup(oid.as_uuid().into())), "LOOKUP#018cc251-f400-7000-8000-000000000000 / REQUEST");
        assert_eq!(show(rate("login:ann", 42)), "RATE#login:ann#42 / COUNTER");
        assert_eq!(show(notification(oid, 2)), "NOTIFY#018cc251-f400-7000-8000-000000000000#2 / SENT");
        assert_eq!(
            show(link_notification(oid.as_uuid().into(), "notice")),
            "NOTIFY#018cc251-f400-7000-8000-000000000000#notice / SENT"
        );
        assert_eq!(state_day(OrderState::Confirmed, "2024-01-01", 0), "confirmed#2024-01-01");
        assert_eq!(state_day(OrderState::Confirmed, "2024-01-01", 7), "confirmed#2024-01-01#7");
        let sale_id = SaleId::from(oid.as_uuid());
        assert_eq!(show(sale(sale_id)), "FLASH_SALE#ALL / SALE#018cc251-f400-7000-8000-000000000000");
        assert_eq!(show(sale_config(3, sale_id)), "FLASH_SALE#3 / CONFIG#018cc251-f400-7000-8000-000000000000");
        assert_eq!(show(sale_lot(sale_id, 65.into())), "SALE#018cc251-f400-7000-8000-000000000000#1 / LOT#00065");
        assert_eq!(show(sale_buyer(sale_id, &ann)), "SALE#018cc251-f400-7000-8000-000000000000#BY#ann / BOUGHT");
        assert_eq!(
            show(sale_contact(sale_id, &Email::parse("ann@example.com").unwrap())),
            "SALE#018cc251-f400-7000-8000-000000000000#BY#\
             @71d4f55f72fa128dfb468a1a3901507c804b74316488744d769d7f4b16696476 / BOUGHT"
        );
        assert_eq!(show(search_manifest()), "SEARCH#INDEX / MANIFEST");
        assert_eq!(show(search_rebuild()), "SEARCH#INDEX / REBUILD");
        assert_eq!(show(search_rules()), "SEARCH#INDEX / RULES");
        assert_eq!(show(search_gone(&mug)), "SEARCH#INDEX / GONE#mug-1");
        assert_eq!(show(search_changed(&mug)), "SEARCH#CHANGED#2 / PRODUCT#mug-1");
        assert_eq!(price_shard(&mug), "PRICE#2");
        assert_eq!(due_shard(oid), "DUE#14");
    }

    #[test]
    fn a_key_says_what_its_item_is() {
        let (mug, ann): (ProductId, UserId) = ("mug-1".parse().unwrap(), "ann".parse().unwrap());
        let oid: OrderId = "018cc251-f400-7000-8000-000000000000".parse().unwrap();
        let sid: SessionId = "5e55".parse().unwrap();
        let rename = CategoryRenameId::from(oid.as_uuid());
        let request = "0123456789abcdef".parse().unwrap();

        for (key, entity) in [
            (product(&mug), Entity::Product),
            (stock(&mug, ONLY_STOCK_SHARD), Entity::Stock),
            (rating(&mug), Entity::Rating),
            (stock_move(&mug, oid.as_uuid()), Entity::StockMove),
            (review(&mug, &ann), Entity::Review),
            (review_counted(&mug, &ann), Entity::ReviewCounted),
            (product_category(&mug), Entity::ProductCategory),
            (categories_before(), Entity::CategoriesBefore),
            (categories_migrated(), Entity::CategoriesMigrated),
            (category(&CategoryPath::parse("Kitchen/Mugs").unwrap()), Entity::Category),
            (category_rename(rename), Entity::CategoryRename),
            (category_renaming(rename), Entity::CategoryRenaming),
            (sale(oid.as_uuid().into()), Entity::Sale),
            (sale_config(0, oid.as_uuid().into()), Entity::SaleConfig),
            (sale_lot(oid.as_uuid().into(), 0.into()), Entity::SaleLot),
            (sale_buyer(oid.as_uuid().into(), &ann), Entity::SaleBuyer),
            (search_manifest(), Entity::SearchManifest),
            (search_rebuild(), Entity::SearchRebuild),
            (search_rules(), Entity::SearchRules),
            (search_gone(&mug), Entity::SearchGone),
            (search_changed(&mug), Entity::SearchChanged),
            (profile(&ann), Entity::Profile),
            (credential(&Email::parse("ann@example.com").unwrap()), Entity::Credential),
            (address(&ann, &"home".parse().unwrap()), Entity::Address),
            (cart(&ann), Entity::Cart),
            (account_link(&ann, AccountAction::ResetPassword), Entity::AccountLink),
            (guest_account(&ann), Entity::GuestAccount),
            (session(&sid), Entity::Session),
            (session_listed(&ann, &sid), Entity::SessionListed),
            (order(oid), Entity::Order),
            (order_line(oid, &mug), Entity::OrderLine),
            (payment_event(oid, &"evt_1".parse().unwrap()), Entity::PaymentEvent),
            (customer_order(&ann, oid), Entity::CustomerOrder),
            (order_found(order_number_pk(oid.into()), oid), Entity::OrderByNumber),
            (order_found(order_contact_pk(&Email::parse("ann@example.com").unwrap()), oid), Entity::OrderByContact),
            (order_found(order_reference_pk(&"pi_1".parse().unwrap()), oid), Entity::OrderByReference),
            (order_lookup(oid.as_uuid().into()), Entity::OrderLookup),
            (idempotency(&ann, &request, "POST /orders"), Entity::Idempotency),
            (rate("login:ann", 42), Entity::Rate),
            (notification(oid, 2), Entity::Notification),
            (link_notification(oid.as_uuid().into(), "notice"), Entity::Notification),
        ] {
            assert_eq!(key.entity(), Some(entity), "{}", show(key));
        }
        for (pk, sk) in [("PROD#mug-1", "META#mug-1#OTHER"), ("CATALOG#2", "CATEGORIES"), ("ORDER#1", "OTHER")] {
            assert_eq!(Key::new(pk, sk).entity(), None, "{pk} / {sk}");
        }
    }

    #[test]
    fn an_id_is_read_from_the_key_it_was_written_into() {
        let (mug, ann): (ProductId, UserId) = ("mug-1".parse().unwrap(), "ann".parse().unwrap());
        let oid: OrderId = "018cc251-f400-7000-8000-000000000000".parse().unwrap();
        let sid: SessionId = "5e55".parse().unwrap();

        assert_eq!(product_id(&product_pk(&mug)), Ok(mug.clone()));
        assert_eq!(user_id(&user_pk(&ann)), Ok(ann.clone()));
        assert_eq!(order_id(&order_pk(oid)), Ok(oid));
        assert_eq!(reviewer_id(&review(&mug, &ann).sk), Ok(ann.clone()));
        assert_eq!(session_id(&session(&sid).pk), Ok(sid.clone()));
        assert_eq!(session_id(&session_listed(&ann, &sid).sk), Ok(sid));
        assert_eq!(search_product_id(&search_gone(&mug).sk), Ok(mug.clone()));
        assert_eq!(search_product_id(&search_changed(&mug).sk), Ok(mug));
        assert!(product_id("USER#ann").is_err() && user_id("ann").is_err());
    }
}
