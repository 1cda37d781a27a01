//! Further members of errors: a client that has compared `code` knows which there are.

use utoipa::openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema, Type};

/// The members that the errors of some codes have, and the name of the schema of these errors.
#[derive(Debug, Clone, Copy)]
pub struct Members {
    pub schema: &'static str,
    pub all: &'static [Member],
}

#[derive(Debug, Clone, Copy)]
pub struct Member {
    pub name: &'static str,
    pub need: Need,
    pub schema: fn() -> RefOr<Schema>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Always,
    Sometimes,
}
use Need::{Always, Sometimes};

impl Member {
    pub const fn always(name: &'static str, schema: fn() -> RefOr<Schema>) -> Self {
        Self { name, need: Always, schema }
    }

    pub const fn sometimes(name: &'static str, schema: fn() -> RefOr<Schema>) -> Self {
        Self { name, need: Sometimes, schema }
    }
}

/// No others than every error has.
pub(super) const PLAIN: Members = Members { schema: "PlainProblem", all: &[] };

/// Of a refused value.
pub(super) const FIELD: Members =
    Members { schema: "FieldProblem", all: &[Member::always("field", field), Member::always("errors", errors)] };

pub(super) const BODY: Members = Members { schema: "BodyProblem", all: &FIELD_OF_ERROR };

/// Where the value of a field is refused by an error that is not always about a field.
pub const FIELD_OF_ERROR: [Member; 2] = [Member::sometimes("field", field), Member::sometimes("errors", errors)];

pub const CART_PRODUCTS: Members = Members {
    schema: "ProductsProblem",
    all: &[Member::sometimes("products", product_ids), FIELD_OF_ERROR[0], FIELD_OF_ERROR[1]],
};

pub const OUT_OF_STOCK: Members = Members {
    schema: "OutOfStockProblem",
    all: &[Member::sometimes("products", shortages), Member::sometimes("available", units_left)],
};

pub const VERSION: Members = Members { schema: "VersionProblem", all: &[Member::sometimes("cart", cart)] };

/// A schema that the document has a name for.
pub fn reference(name: &str) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(name))
}

pub fn units() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}

fn field() -> RefOr<Schema> {
    let field = ObjectBuilder::new().schema_type(Type::String);
    field.description(Some("The first refused field.")).into()
}

fn errors() -> RefOr<Schema> {
    ArrayBuilder::new()
        .items(reference("FieldError"))
        .min_items(Some(1))
        .description(Some("All refused fields, in the order of the request."))
        .into()
}

fn product_ids() -> RefOr<Schema> {
    let ids = ArrayBuilder::new().items(reference("ProductId"));
    ids.description(Some("The products of the cart that the error is about.")).into()
}

fn shortages() -> RefOr<Schema> {
    let shortage = ObjectBuilder::new()
        .property("productId", reference("ProductId"))
        .property("available", units().description(Some("Units left.")))
        .required("productId")
        .required("available");
    let shortages = ArrayBuilder::new().items(shortage);
    shortages.description(Some("The products of the cart with too few units in stock.")).into()
}

fn units_left() -> RefOr<Schema> {
    units().description(Some("Units of the product in stock.")).into()
}

fn cart() -> RefOr<Schema> {
    let mut cart = Ref::from_schema_name("CartResponse");
    cart.description = "The current cart, if the cart was changed.".to_owned();
    RefOr::Ref(cart)
}
