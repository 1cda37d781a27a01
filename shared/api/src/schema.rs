//! OpenAPI schemas of single fields, each with one name: what a client may send and gets.
//!
//! Limits and names come from the domain where it has a constant for them; tests compare the others with what the
//! domain accepts.

use std::borrow::Cow;

use domain::{
    Address, DisputeState, MAX_CATEGORY_DEPTH, MAX_PRICE_MINOR, OrderEvent, OrderState, PaymentState, Quantity,
    RefundState, SalePhase,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type, schema::AdditionalProperties},
};

/// The alphabet of ids and keys.
pub const ID: &str = "^[A-Za-z0-9._-]+$";

/// No control characters.
const PRINTABLE: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";

/// The largest integer that every JSON parser reads exactly: 2^53 - 1.
const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// States that `GET /admin/orders` accepts besides those of an order.
pub const OPEN_STATES: [&str; 2] = ["refund_owed", "disputed"];

macro_rules! schemas {
    ($($(#[$doc:meta])* $name:ident: $schema:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                RefOr::T(Schema::from($schema))
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )*

        /// All of them, by name.
        pub fn all() -> Vec<(&'static str, RefOr<Schema>)> {
            vec![$((stringify!($name), $name::schema())),*]
        }
    };
}

schemas! {
    ProductId: id("A product. Chosen by the shop, or a UUID.");
    LinkToken: text()
        .max_length(Some(140))
        .pattern(Some(ID))
        .description(Some("The token of a link in a mail. It works once, and for a limited time."));
    AddressId: id("One of a customer's addresses.");
    SessionId: id("The id of a session. It does not give access to it.");
    UserId: id("A customer or a guest.");
    OrderId: text().format(Some(format("uuid"))).description(Some("An order: a UUID of version 7, in lower case."));
    OrderNumber: text()
        .pattern(Some("^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$"))
        .description(Some("What people call an order. In rare cases two orders have the same number."));
    OrderNumberSought: text()
        .min_length(Some(10))
        .max_length(Some(domain::OrderNumber::MAX_CHARS))
        .description(Some("An order number in either case, with or without its hyphen; I and L count as 1, O as 0."));
    PaymentReference: id("The payment provider's id of a payment.");
    LanguageCode: names(domain::Language::ALL.map(domain::Language::as_str), "ISO 639-1.");
    Timestamp: text().format(Some(format("date-time"))).description(Some("RFC 3339, UTC, with milliseconds."));
    Day: text().format(Some(format("date"))).description(Some("`yyyy-mm-dd`, UTC."));
    CurrencyCode: text().pattern(Some("^[A-Z]{3}$")).description(Some("ISO 4217."));
    CountryCode: text().pattern(Some("^[A-Z]{2}$")).description(Some("ISO 3166-1 alpha-2."));
    ProductName: line(domain::ProductName::MAX_CHARS, "The product's name.");
    CustomerName: line(domain::CustomerName::MAX_CHARS, "The customer's name.");
    Manufacturer: line(domain::Manufacturer::MAX_CHARS, "The manufacturer of a product.");
    CategoryName: text()
        .max_length(Some(3_003))
        .pattern(Some(PRINTABLE))
        .description(Some("Path of a category: names between `/`, outermost first; a slash within a name is `%2F`, a percent sign `%25`."));
    SaleId: text().format(Some(format("uuid"))).description(Some("A sale of a product."));
    SaleUnits: whole(1, 100_000).description(Some("Units that are set aside for a sale."));
    SaleRate: whole(1, 5_000).default(Some(100.into())).description(Some(
        "The checkouts a second that are expected at most. The units are spread over as many items of the table as that needs.",
    ));
    SaleStateName: names(
        [SalePhase::Preparing, SalePhase::Scheduled, SalePhase::Active, SalePhase::Over, SalePhase::Ended].map(SalePhase::as_str),
        "The state of a sale.",
    );
    RenameId: text().format(Some(format("uuid"))).description(Some("A rename of a category."));
    CategoryPageLimit: whole(1, 100).default(Some(100.into())).description(Some("The maximum number of categories in a page."));
    CategorySegment: line(100, "The name of one category.");
    AddressLine: line(Address::MAX_LINE_CHARS, "A line of an address.");
    AddressLineIfAny: text()
        .max_length(Some(Address::MAX_LINE_CHARS))
        .pattern(Some(PRINTABLE))
        .description(Some("An optional line of an address; an empty one counts as missing."));
    Phone: text()
        .max_length(Some(domain::Phone::MAX_CHARS))
        .description(Some("4 to 20 digits, optionally with a leading `+`, and spaces, `-`, `.`, `/`, `(` and `)` between them."));
    CategoryPath: ArrayBuilder::new()
        .items(Ref::from_schema_name("CategorySegment"))
        .max_items(Some(MAX_CATEGORY_DEPTH))
        .description(Some("The names of a category's path, outermost first. Empty: the product is in no category."));
    Thumbnail: text()
        .min_length(Some(1))
        .max_length(Some(300))
        .pattern(Some(r#"^[!#-&(-;=?-\[\]^_a-~]+$"#))
        .description(Some("A picture: an `https:` URL, or a path relative to the storefront."));
    Attributes: ObjectBuilder::new()
        .max_properties(Some(32))
        .additional_properties(Some(AdditionalProperties::from(
            ObjectBuilder::new().schema_type(utoipa::openapi::schema::SchemaType::Array(vec![
                Type::String,
                Type::Number,
                Type::Boolean,
            ])),
        )))
        .description(Some("Facts about a product: names of 1 to 64 characters, and 1,536 bytes in all."));
    Email: text().min_length(Some(3)).max_length(Some(254)).format(Some(format("email")));
    /// To compare with the one of an existing account.
    Password: text().max_length(Some(domain::Password::MAX_CHARS)).format(Some(format("password")));
    /// To be used from now on.
    NewPassword: text()
        .min_length(Some(domain::Password::MIN_CHARS))
        .max_length(Some(domain::Password::MAX_CHARS))
        .format(Some(format("password")));
    PaymentToken: text().min_length(Some(1)).max_length(Some(255)).pattern(Some("^[!-~]+$"));
    Cursor: text().min_length(Some(1)).max_length(Some(2_048)).description(Some("`nextCursor` of the page before."));
    Price: ObjectBuilder::new()
        .property("amount", Ref::from_schema_name("PriceAmount"))
        .property("currency", Ref::from_schema_name("CurrencyCode"))
        .required("amount")
        .required("currency")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .description(Some("The price of one unit, in the currency that the shop charges in."));
    PriceAmount: whole(0, MAX_PRICE_MINOR).description(Some("A price in minor units (cents)."));
    Units: whole(1, i64::from(Quantity::MAX.units())).description(Some("Units of one product."));
    UnitsOrNone: whole(0, i64::from(Quantity::MAX.units())).description(Some("Units of one product; 0 removes the line."));
    Stock: whole(0, 1_000_000_000).description(Some("Units of one product in stock."));
    StockDelta: whole(-1_000_000_000, 1_000_000_000).description(Some("Units to add; negative to remove. Not 0."));
    FeaturedRank: whole(0, i64::from(u32::MAX)).description(Some("Rank among the featured products; the lowest comes first."));
    PageLimit: whole(1, 100).default(Some(24.into())).description(Some("The maximum number of items in a page."));
    ProductSort: names(["price", "-price"], "`price`: lowest price first; `-price`: highest price first.");
    SearchSort: names(
        ["relevance", "price", "-price", "newest", "rating"],
        "`relevance`: the best match first; `price`: lowest price first; `-price`: highest price first; `newest`: newest first; `rating`: best rated first.",
    );
    SearchText: text().description(Some("A text to search for, as a shopper types it."));
    AttributeValue: text().max_length(Some(1_536)).description(Some("The value of a product's attribute."));
    Flag: ObjectBuilder::new().schema_type(Type::Boolean).description(Some("`true` or `false`."));
    OrderStateName: names(OrderState::ALL.map(OrderState::as_str), "The state of an order.");
    OrderListState: names(
        OrderState::ALL.map(OrderState::as_str).into_iter().chain(OPEN_STATES),
        "A state of orders, or open work: a refund that is owed, a dispute that is open.",
    );
    OrderEventName: names(OrderEvent::ALL.map(OrderEvent::as_str), "What happened to an order.");
    PaymentStateName: names(PaymentState::ALL.map(PaymentState::as_str), "The state of a payment.");
    RefundStateName: names(RefundState::ALL.map(RefundState::as_str), "The state of a refund.");
    DisputeStateName: names(DisputeState::ALL.map(DisputeState::as_str), "The state of a dispute.");
    RoleName: names(["customer", "admin"], "The role of a customer.");
    CartLineStatus: names(
        ["available", "short", "sold_out", "not_sold", "currency_mismatch", "over_limit"],
        "Whether a line of the cart can be bought.",
    );
    CarrierName: line(domain::Carrier::MAX_CHARS, "The name of a carrier.");
    TrackingNumber: line(domain::TrackingNumber::MAX_CHARS, "The carrier's number of a parcel.");
    TrackingUrl: text()
        .min_length(Some(1))
        .max_length(Some(domain::TrackingUrl::MAX_CHARS))
        .description(Some("The carrier's page about a parcel: an `https:` URL with the name of a host and without a user."));
    Reason: line(200, "The reason, as free text.");
    BatchOutcomeName: names(["created", "exists", "invalid", "unwritten"], "The outcome for one product of a batch.");
    HeardOutcomeName: names(["applied", "seen", "ignored"], "The outcome of an event.");
    /// The document names them all: those of this crate and those that a function returns.
    ErrorCode: text().description(Some("A stable code, for programs."));
}

/// An amount of a total, small enough for every JSON client.
pub fn amount() -> ObjectBuilder {
    whole(0, MAX_SAFE_INTEGER).description(Some("In minor units (cents)."))
}

pub fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn id(description: &str) -> ObjectBuilder {
    text().min_length(Some(1)).max_length(Some(64)).pattern(Some(ID)).description(Some(description))
}

/// Text with at least one visible character and without control characters.
fn line(most: usize, description: &str) -> ObjectBuilder {
    let shows = r"^[^\u0000-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F][^\u0000-\u001F\u007F-\u009F]*$";
    text().min_length(Some(1)).max_length(Some(most)).pattern(Some(shows)).description(Some(description))
}

fn whole(least: i64, most: i64) -> ObjectBuilder {
    let integer = ObjectBuilder::new().schema_type(Type::Integer).format(Some(format("int64")));
    integer.minimum(Some(least)).maximum(Some(most))
}

fn names(names: impl IntoIterator<Item = &'static str>, description: &str) -> ObjectBuilder {
    text().enum_values(Some(names)).description(Some(description))
}

fn format(name: &str) -> SchemaFormat {
    SchemaFormat::Custom(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits<T: PartialSchema>() -> (usize, usize) {
        let RefOr::T(Schema::Object(text)) = T::schema() else { panic!("an object") };
        (text.min_length.unwrap_or(0), text.max_length.expect("a longest length"))
    }

    /// Whether a schema's lengths are exactly those that the domain accepts.
    fn agrees<T: PartialSchema, P>(parse: impl Fn(&str) -> Result<P, domain::Invalid>) -> bool {
        let (least, most) = limits::<T>();
        let takes = |length: usize| parse(&"xy".repeat(length)[..length]).is_ok();
        (least == 0 || takes(least) && !takes(least - 1)) && takes(most) && !takes(most + 1)
    }

    #[test]
    fn lengths_of_texts_are_those_of_the_domain() {
        assert!(agrees::<ProductId, _>(str::parse::<domain::ProductId>));
        assert!(agrees::<AddressId, _>(str::parse::<domain::AddressId>));
        assert!(agrees::<SessionId, _>(str::parse::<domain::SessionId>));
        assert!(agrees::<UserId, _>(str::parse::<domain::UserId>));
        assert!(agrees::<ProductName, _>(domain::ProductName::parse));
        assert!(agrees::<CustomerName, _>(domain::CustomerName::parse));
        assert!(agrees::<Manufacturer, _>(domain::Manufacturer::parse));
        assert!(agrees::<CategorySegment, _>(|segment| domain::CategoryPath::new([segment])));
        assert!(agrees::<AddressLine, _>(|line| Address::line(line, "line1")));
        assert!(agrees::<Reason, _>(domain::Reason::parse));
        assert!(agrees::<CarrierName, _>(domain::Carrier::parse));
        assert!(agrees::<TrackingNumber, _>(domain::TrackingNumber::parse));
        assert!(agrees::<Thumbnail, _>(domain::Thumbnail::parse));
        assert!(agrees::<Password, _>(domain::Password::attempt));
        assert!(agrees::<NewPassword, _>(domain::Password::choose));
        assert!(!domain::ProductName::parse(" ").is_ok_and(|_| true));
    }

    #[test]
    fn ranges_of_numbers_are_those_of_the_domain() {
        assert!(domain::StockDelta::initial(1_000_000_000).is_ok());
        assert!(domain::StockDelta::initial(1_000_000_001).is_err());
        assert!(domain::StockDelta::new(-1_000_000_000).is_ok());
        assert!(domain::StockDelta::new(-1_000_000_001).is_err());
    }

    #[test]
    fn the_number_of_attributes_is_that_of_the_domain() {
        let many = |n: usize| domain::Attributes::new((0..n).map(|i| (i.to_string(), String::new())));

        assert!(many(32).is_ok() && many(33).is_err());
    }
}
