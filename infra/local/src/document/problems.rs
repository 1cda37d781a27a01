//! The errors, with one schema for each set of members: a client that has compared `code` knows which members exist.

use api::codes::CODES;
use utoipa::openapi::{ArrayBuilder, Components, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type};

/// Codes whose errors have the same additional members.
struct Variant {
    name: &'static str,
    codes: &'static [&'static str],
    members: &'static [(&'static str, Member, Need)],
}

#[derive(Clone, Copy)]
enum Member {
    Cart,
    Errors,
    Field,
    Left,
    Money,
    OrderId,
    OrderState,
    ProductId,
    ProductIds,
    Reason,
    Shortages,
    Units,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Always,
    Sometimes,
}
use Need::{Always, Sometimes};

/// Those with members of their own. The others are a [`REFUSED_FIELD`] or a [`PLAIN`] error.
const VARIANTS: [Variant; 11] = [
    Variant {
        name: "AmountProblem",
        codes: &["amount_not_chargeable", "amount_not_refundable"],
        members: &[
            ("reason", Member::Reason, Sometimes),
            ("bound", Member::Money, Sometimes),
            ("orderId", Member::OrderId, Sometimes),
        ],
    },
    Variant {
        name: "BodyProblem",
        codes: &["body_invalid"],
        members: &[("field", Member::Field, Sometimes), ("errors", Member::Errors, Sometimes)],
    },
    Variant { name: "CartEmptyProblem", codes: &["cart_empty"], members: &[("orderId", Member::OrderId, Sometimes)] },
    Variant {
        name: "OrderEndedProblem",
        codes: &["order_cancelled", "payment_declined", "payment_expired"],
        members: &[("orderId", Member::OrderId, Always)],
    },
    Variant {
        name: "OrderStateProblem",
        codes: &["order_state_conflict"],
        members: &[("state", Member::OrderState, Always)],
    },
    Variant {
        name: "OutOfStockProblem",
        codes: &["out_of_stock"],
        members: &[("products", Member::Shortages, Sometimes), ("available", Member::Units, Sometimes)],
    },
    Variant {
        name: "PaymentMissingProblem",
        codes: &["payment_missing"],
        members: &[("total", Member::Money, Sometimes)],
    },
    Variant { name: "PriceChangedProblem", codes: &["price_changed"], members: &[("total", Member::Money, Always)] },
    Variant {
        name: "ProductsProblem",
        codes: &["currency_mismatch", "product_not_sold"],
        members: &[
            ("products", Member::ProductIds, Sometimes),
            ("field", Member::Field, Sometimes),
            ("errors", Member::Errors, Sometimes),
        ],
    },
    Variant {
        name: "RefundProblem",
        codes: &["refund_lines_invalid", "refund_too_much"],
        members: &[
            ("left", Member::Left, Sometimes),
            ("productId", Member::ProductId, Sometimes),
            ("field", Member::Field, Sometimes),
            ("errors", Member::Errors, Sometimes),
        ],
    },
    Variant { name: "VersionProblem", codes: &["version_mismatch"], members: &[("cart", Member::Cart, Sometimes)] },
];

const REFUSED_FIELD: &str = "FieldProblem";
const PLAIN: &str = "PlainProblem";

/// Inserts `ProblemDetails` and the schemas it consists of.
pub fn describe(components: &mut Components) {
    let mut names = Vec::new();
    let mut add = |name: &'static str, schema: ObjectBuilder| {
        names.push(name);
        components.schemas.insert(name.to_owned(), schema.build().into());
    };
    for variant in &VARIANTS {
        let members = variant.members.iter();
        let schema = members.fold(problem(variant.codes), |schema, (name, member, need)| {
            let schema = schema.property(*name, member.schema());
            if *need == Always { schema.required(*name) } else { schema }
        });
        add(variant.name, schema);
    }
    let of_fields = codes(|name, of_field| of_field && !has_members(name));
    let refused =
        problem(&of_fields).property("field", Member::Field.schema()).property("errors", Member::Errors.schema());
    add(REFUSED_FIELD, refused.required("field").required("errors"));
    add(PLAIN, problem(&codes(|name, of_field| !of_field && !has_members(name))));

    let any = names.into_iter().fold(OneOfBuilder::new(), |any, name| any.item(Ref::from_schema_name(name)));
    let any = any
        .description(Some("An error, RFC 9457. Every error has five members; `code` decides which others there are."));
    components.schemas.insert("ProblemDetails".to_owned(), Schema::OneOf(any.build()).into());
}

fn has_members(code: &str) -> bool {
    VARIANTS.iter().any(|variant| variant.codes.contains(&code))
}

fn codes(wanted: impl Fn(&str, bool) -> bool) -> Vec<&'static str> {
    CODES.iter().filter(|code| wanted(code.name, code.of_field)).map(|code| code.name).collect()
}

/// The members of every error.
fn problem(codes: &[&'static str]) -> ObjectBuilder {
    let meanings = CODES.iter().filter(|code| codes.contains(&code.name));
    let meanings: Vec<String> = meanings.map(|code| format!("`{}`: {}.", code.name, code.meaning)).collect();
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let status = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(400)).maximum(Some(599));
    ObjectBuilder::new()
        .property("type", text().enum_values(Some(["about:blank"])))
        .property("title", text().description(Some("The status as text.")))
        .property("status", status)
        .property(
            "code",
            text().enum_values(Some(codes.iter().copied())).description(Some("A stable code, for programs.")),
        )
        .property("detail", text().description(Some("A description for people; it may change.")))
        .required("type")
        .required("title")
        .required("status")
        .required("code")
        .required("detail")
        .description(Some(meanings.join("\n")))
}

impl Member {
    fn schema(self) -> RefOr<Schema> {
        let named = |name: &str| RefOr::Ref(Ref::from_schema_name(name));
        let units = || ObjectBuilder::new().schema_type(Type::Integer);
        match self {
            Self::Cart => described("CartResponse", "The current cart, if the cart was changed."),
            Self::Errors => ArrayBuilder::new()
                .items(Ref::from_schema_name("FieldError"))
                .min_items(Some(1))
                .description(Some("All refused fields, in the order of the request."))
                .into(),
            Self::Field => {
                ObjectBuilder::new().schema_type(Type::String).description(Some("The first refused field.")).into()
            }
            Self::Left => OneOfBuilder::new()
                .item(Ref::from_schema_name("Money"))
                .item(units().minimum(Some(0)))
                .description(Some("What is left to refund: an amount, or units of the product."))
                .into(),
            Self::Money => named("Money"),
            Self::OrderId => named("OrderId"),
            Self::OrderState => named("OrderStateName"),
            Self::ProductId => named("ProductId"),
            Self::ProductIds => ArrayBuilder::new()
                .items(Ref::from_schema_name("ProductId"))
                .description(Some("The products of the cart that the error is about."))
                .into(),
            Self::Reason => ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some(payments::NotChargeable::REASONS))
                .description(Some("The reason, if it is known without calling the payment provider."))
                .into(),
            Self::Shortages => ArrayBuilder::new()
                .items(
                    ObjectBuilder::new()
                        .property("productId", Ref::from_schema_name("ProductId"))
                        .property("available", units().description(Some("Units left.")))
                        .required("productId")
                        .required("available"),
                )
                .description(Some("The products of the cart with too few units in stock."))
                .into(),
            Self::Units => units().description(Some("Units of the product in stock.")).into(),
        }
    }
}

fn described(name: &str, description: &str) -> RefOr<Schema> {
    let mut reference = Ref::from_schema_name(name);
    description.clone_into(&mut reference.description);
    RefOr::Ref(reference)
}
