//! Schemas of single fields, named once each: what a client may send and gets, as the OpenAPI document says it.
//!
//! Limits and names are the domain's own where it has a constant for them; the tests compare the others with what it
//! takes.

use std::borrow::Cow;

use domain::{
    Address, DisputeState, MAX_CATEGORY_DEPTH, MAX_PRICE_MINOR, OrderEvent, OrderState, PaymentState, Quantity,
    RefundState,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type, schema::AdditionalProperties},
};

/// What ids and keys are made of.
pub const ID: &str = "^[A-Za-z0-9._-]+$";

/// No control characters.
const PRINTABLE: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";

/// The largest integer that every JSON reader keeps: 2^53 - 1.
const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// States that `GET /admin/orders` lists beside those of an order.
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

        /// Each of them, by its name.
        pub fn all() -> Vec<(&'static str, RefOr<Schema>)> {
            vec![$((stringify!($name), $name::schema())),*]
        }
    };
}

schemas! {
    ProductId: id("A product. Chosen by the shop, or a UUID.");
    AddressId: id("One of a customer's addresses.");
    SessionId: id("Names a session; it opens nothing.");
    UserId: id("A customer or a guest.");
    OrderId: text().format(Some(format("uuid"))).description(Some("An order: a UUID of version 7, in lower case."));
    Timestamp: text().format(Some(format("date-time"))).description(Some("RFC 3339, UTC, with milliseconds."));
    Day: text().format(Some(format("date"))).description(Some("`yyyy-mm-dd`, UTC."));
    CurrencyCode: text().pattern(Some("^[A-Z]{3}$")).description(Some("ISO 4217."));
    CountryCode: text().pattern(Some("^[A-Z]{2}$")).description(Some("ISO 3166-1 alpha-2."));
    ProductName: line(domain::ProductName::MAX_CHARS, "What a product is called.");
    CustomerName: line(domain::CustomerName::MAX_CHARS, "What a customer is called.");
    Manufacturer: line(domain::Manufacturer::MAX_CHARS, "Who makes a product.");
    CategoryName: text()
        .max_length(Some(3_003))
        .pattern(Some(PRINTABLE))
        .description(Some("Path of a category: names between `/`, outermost first; a slash within a name is `%2F`, a percent sign `%25`."));
    RenameId: text().format(Some(format("uuid"))).description(Some("A rename of a category."));
    CategoryPageLimit: whole(1, 100).default(Some(100.into())).description(Some("The most categories of a page."));
    CategorySegment: line(100, "The name of one category.");
    AddressLine: line(Address::MAX_LINE_CHARS, "A line of an address.");
    AddressLineIfAny: text()
        .max_length(Some(Address::MAX_LINE_CHARS))
        .pattern(Some(PRINTABLE))
        .description(Some("A line of an address that may be missing; an empty one is missing."));
    Phone: text()
        .max_length(Some(domain::Phone::MAX_CHARS))
        .description(Some("4 to 20 digits, with a `+` in front or not, and spaces, `-`, `.`, `/`, `(` and `)` between them."));
    CategoryPath: ArrayBuilder::new()
        .items(Ref::from_schema_name("CategorySegment"))
        .max_items(Some(MAX_CATEGORY_DEPTH))
        .description(Some("A category, outermost first. Empty: the product is in none."));
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
    /// To compare: of an account that has one already.
    Password: text().max_length(Some(domain::Password::MAX_CHARS)).format(Some(format("password")));
    /// To use from now on.
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
    StockDelta: whole(-1_000_000_000, 1_000_000_000).description(Some("Units to add, or to take away; not 0."));
    FeaturedRank: whole(0, i64::from(u32::MAX)).description(Some("Place among the featured products, lowest first."));
    PageLimit: whole(1, 100).default(Some(24.into())).description(Some("The most items of a page."));
    ProductSort: names(["price", "-price"], "`price` is cheapest first, `-price` dearest first.");
    OrderStateName: names(OrderState::ALL.map(OrderState::as_str), "How far an order has come.");
    OrderListState: names(
        OrderState::ALL.map(OrderState::as_str).into_iter().chain(OPEN_STATES),
        "A state of orders, or what has to be looked after: a refund that is owed, a dispute that is open.",
    );
    OrderEventName: names(OrderEvent::ALL.map(OrderEvent::as_str), "What happened to an order.");
    PaymentStateName: names(PaymentState::ALL.map(PaymentState::as_str), "How a payment came out.");
    RefundStateName: names(RefundState::ALL.map(RefundState::as_str), "How far a refund has come.");
    DisputeStateName: names(DisputeState::ALL.map(DisputeState::as_str), "How a dispute came out.");
    RoleName: names(["customer", "admin"], "What a customer may do.");
    CartLineStatus: names(
        ["available", "short", "sold_out", "not_sold", "currency_mismatch"],
        "Whether a line of the cart can be bought.",
    );
    Reason: line(200, "Why, in words of people.");
    BatchOutcomeName: names(["created", "exists", "invalid", "unwritten"], "What became of a product of a batch.");
    HeardOutcomeName: names(["applied", "seen", "ignored"], "What became of an event.");
    ErrorCode: names(crate::codes::CODES.iter().map(|code| code.name), "Stable, for programs.");
}

/// An amount of a total, which clients can hold.
pub fn amount() -> ObjectBuilder {
    whole(0, MAX_SAFE_INTEGER).description(Some("In minor units (cents)."))
}

pub fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn id(description: &str) -> ObjectBuilder {
    text().min_length(Some(1)).max_length(Some(64)).pattern(Some(ID)).description(Some(description))
}

/// Text for people: something that shows, and no control characters.
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

    /// Whether a schema's lengths are where the domain begins and ceases to take a text.
    fn agrees<T: PartialSchema, P>(parse: impl Fn(&str) -> Result<P, domain::Invalid>) -> bool {
        let (least, most) = limits::<T>();
        let takes = |length: usize| parse(&"xy".repeat(length)[..length]).is_ok();
        (least == 0 || takes(least) && !takes(least - 1)) && takes(most) && !takes(most + 1)
    }

    #[test]
    fn texts_are_as_long_as_the_domain_takes_them() {
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
        assert!(agrees::<Thumbnail, _>(domain::Thumbnail::parse));
        assert!(agrees::<Password, _>(domain::Password::attempt));
        // The text that is passed in repeats, which is guessed soon.
        assert!(agrees::<NewPassword, _>(|text| domain::Password::choose(&unguessable(text.len()))));
        assert!(!domain::ProductName::parse(" ").is_ok_and(|_| true));
    }

    /// Text without a pattern, and the same each time.
    fn unguessable(length: usize) -> String {
        let next = |n: &u32| Some(n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        let letters =
            std::iter::successors(Some(1), next).map(|n| char::from(b'a' + u8::try_from((n >> 16) % 26).unwrap()));
        letters.take(length).collect()
    }

    #[test]
    fn numbers_are_as_large_as_the_domain_takes_them() {
        assert!(domain::StockDelta::initial(1_000_000_000).is_ok());
        assert!(domain::StockDelta::initial(1_000_000_001).is_err());
        assert!(domain::StockDelta::new(-1_000_000_000).is_ok());
        assert!(domain::StockDelta::new(-1_000_000_001).is_err());
    }

    #[test]
    fn attributes_are_as_many_as_the_domain_takes() {
        let many = |n: usize| domain::Attributes::new((0..n).map(|i| (i.to_string(), String::new())));

        assert!(many(32).is_ok() && many(33).is_err());
    }
}
