//! Error codes. A code is defined once, by [`codes!`](crate::codes!), with its status, its meaning and its members: where
//! it is returned, or here if several functions return it or every route can.
//!
//! [`Problem::new`](crate::Problem::new) takes the type of a code, and a route names that type among its `responses`. The
//! OpenAPI document has the rest from there.

mod members;

use std::collections::BTreeMap;

use http::StatusCode;
use utoipa::openapi::{
    Content, ContentBuilder, Header, Object, ObjectBuilder, RefOr, Response, ResponseBuilder, Schema, Type,
};

use members::{BODY, FIELD, PLAIN};
pub use members::{CART_PRODUCTS, FIELD_OF_ERROR, Member, Members, Need, OUT_OF_STOCK, VERSION, reference, units};

/// The media type of an error, RFC 9457.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A code of an error.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    pub status: StatusCode,
    pub name: &'static str,
    /// For developers of clients.
    pub meaning: &'static str,
    pub members: &'static Members,
    /// Whether the answer says when to send the request again.
    pub(crate) retry_after: bool,
}

impl Code {
    pub const fn new(status: StatusCode, name: &'static str, meaning: &'static str) -> Self {
        Self { status, name, meaning, members: &PLAIN, retry_after: false }
    }

    pub const fn bad_request(name: &'static str, meaning: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, name, meaning)
    }

    pub const fn unauthorized(name: &'static str, meaning: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, name, meaning)
    }

    pub const fn payment_required(name: &'static str, meaning: &'static str) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, name, meaning)
    }

    pub const fn forbidden(name: &'static str, meaning: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, name, meaning)
    }

    pub const fn conflict(name: &'static str, meaning: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, name, meaning)
    }

    pub const fn unprocessable(name: &'static str, meaning: &'static str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, name, meaning)
    }

    pub const fn unavailable(name: &'static str, meaning: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, name, meaning).retry_after()
    }

    /// The value of a field is refused; `field` names the field.
    pub const fn of_field(name: &'static str, meaning: &'static str) -> Self {
        Self::unprocessable(name, meaning).with(&FIELD)
    }

    /// Errors of this code have these members as well.
    pub const fn with(self, members: &'static Members) -> Self {
        Self { members, ..self }
    }

    /// Errors of this code carry `Retry-After`.
    pub const fn retry_after(self) -> Self {
        Self { retry_after: true, ..self }
    }

    /// The code of a refused field, by the name that the domain gives it.
    pub(crate) fn refused(name: &'static str) -> Self {
        let listed = FIELD_CODES.iter().find(|code| code.name == name);
        debug_assert!(
            listed.is_some() || name == CurrencyMismatch::CODE.name,
            "{name} is not among the codes of fields"
        );
        listed.copied().unwrap_or(Self::of_field(name, "the value of a field is refused"))
    }

    /// The errors of this code, as a schema with the title of its members.
    pub fn schema(&self) -> Object {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let status = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(400)).maximum(Some(599));
        let problem = ObjectBuilder::new()
            .title(Some(self.members.schema))
            .description(Some(self.meaning))
            .property("type", text().enum_values(Some(["about:blank"])))
            .property("title", text().description(Some("The status as text.")))
            .property("status", status)
            .property("code", text().enum_values(Some([self.name])).description(Some("A stable code, for programs.")))
            .property("detail", text().description(Some("A description for people; it may change.")));
        let problem = ["type", "title", "status", "code", "detail"].into_iter().fold(problem, ObjectBuilder::required);
        let members = self.members.all.iter();
        let problem = members.fold(problem, |problem, Member { name, need, schema }| {
            let problem = problem.property(*name, schema());
            if *need == Need::Always { problem.required(*name) } else { problem }
        });
        problem.build()
    }

    /// What a route that names the code says of it, by `<status> <code>`: a status may have several codes.
    pub fn responses(&self) -> BTreeMap<String, RefOr<Response>> {
        let schema: RefOr<Schema> = Schema::Object(self.schema()).into();
        let content: Content = ContentBuilder::new().schema(Some(schema)).build();
        let mut response = ResponseBuilder::new().description(self.meaning).content(MEDIA_TYPE, content);
        if self.retry_after {
            response = response.header("Retry-After", Header::default());
        }
        let key = format!("{} {}", self.status.as_u16(), self.name);
        [(key, RefOr::T(response.build()))].into()
    }
}

/// Makes a type of each code, for [`Problem::new`](crate::Problem::new) and for the `responses` of a route.
#[macro_export]
macro_rules! codes {
    ($($(#[$doc:meta])* $vis:vis $name:ident = $code:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        $vis struct $name;

        impl $name {
            const CODE: $crate::codes::Code = $code;
        }

        impl From<$name> for $crate::codes::Code {
            fn from(_: $name) -> Self {
                $name::CODE
            }
        }

        impl ::utoipa::IntoResponses for $name {
            fn responses() -> ::std::collections::BTreeMap<
                ::std::string::String,
                ::utoipa::openapi::RefOr<::utoipa::openapi::Response>,
            > {
                $name::CODE.responses()
            }
        }
    )*};
}

codes! {
    pub AdminRequired = Code::forbidden("admin_required", "the route is for the shop's staff");
    pub BodyInvalid = Code::bad_request("body_invalid", "the body does not match the route's schema").with(&BODY);
    pub BodyTooLarge = Code::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body is larger than the route accepts");
    pub BodyUnreadable = Code::bad_request("body_unreadable", "the body did not arrive completely");
    pub Busy = Code::unavailable("busy", "nothing was done; send the request again");
    pub CrossSiteRequest = Code::forbidden("cross_site_request", "a page of another site sent the request");
    pub CurrencyMismatch = Code::unprocessable("currency_mismatch", "the amount is not in the shop's currency")
        .with(&CART_PRODUCTS);
    pub CursorInvalid = Code::bad_request("cursor_invalid", "the cursor does not belong to this list, or has expired");
    pub Guest = Code::conflict("guest", "a guest has to register first");
    pub HeaderDuplicated = Code::bad_request("header_duplicated", "a header was sent more than once");
    pub HeadersTooLarge = Code::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "headers_too_large",
        "the headers are larger than 8 KiB together",
    );
    pub IdempotencyInProgress = Code::conflict(
        "idempotency_in_progress",
        "the first request under the key still runs; send it again",
    )
    .retry_after();
    pub IdempotencyKeyInvalid = Code::bad_request(
        "idempotency_key_invalid",
        "the key is not 16 to 64 characters of A-Z a-z 0-9 . _ -",
    );
    pub IdempotencyKeyMissing = Code::bad_request("idempotency_key_missing", "the route requires an Idempotency-Key");
    pub IdempotencyKeyReused = Code::unprocessable("idempotency_key_reused", "the key was used for another request");
    pub IfMatchInvalid = Code::bad_request("if_match_invalid", "If-Match is neither * nor a list of entity tags");
    pub Internal = Code::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "the server failed; read the current state before you send the request again",
    );
    pub JsonInvalid = Code::bad_request("json_invalid", "the body is not JSON");
    pub JsonTooDeep = Code::bad_request("json_too_deep", "the body nests too deep");
    pub LimitOutOfRange = Code::bad_request("limit_out_of_range", "a page has 1 to 100 items");
    pub MediaTypeUnsupported = Code::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "media_type_unsupported",
        "the route does not accept the body's Content-Type",
    );
    pub MethodNotAllowed = Code::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "the route does not support the method",
    );
    pub NotFound = Code::new(StatusCode::NOT_FOUND, "not_found", "it does not exist, or belongs to somebody else");
    pub OutOfStock = Code::conflict("out_of_stock", "fewer units are in stock than requested").with(&OUT_OF_STOCK);
    pub OutcomeUnknown = Code::unavailable(
        "outcome_unknown",
        "the request may have been carried out; read the current state, or send it again with the same key",
    );
    pub QueryInvalid = Code::bad_request("query_invalid", "a query parameter is missing or invalid");
    pub ProductInSale = Code::conflict("product_in_sale", "the product has a sale that is not over; stop it first");
    pub RateLimited = Code::new(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limited",
        "there were too many requests of this kind; wait as long as Retry-After says",
    )
    .retry_after();
    pub SessionInvalid = Code::unauthorized("session_invalid", "the session does not exist, has ended or expired");
    pub SessionMissing = Code::unauthorized("session_missing", "the route needs a session");
    pub VersionMismatch = Code::new(
        StatusCode::PRECONDITION_FAILED,
        "version_mismatch",
        "it was changed meanwhile; read it again",
    )
    .with(&VERSION);
}

/// Codes of refused values, by name. The domain defines the rules; it knows neither HTTP nor documents.
pub const FIELD_CODES: &[Code] = &[
    Code::of_field("address_invalid", "a line of the address is empty, too long or not plain text"),
    Code::of_field(
        "attributes_invalid",
        "too many attributes, too large ones, or a value that is no string, number or boolean",
    ),
    Code::of_field("carrier_invalid", "the carrier's name is empty, too long or not plain text"),
    Code::of_field("category_invalid", "a category has at most four levels, each with a name"),
    Code::of_field("category_too_deep", "categories below it would have more than four levels"),
    Code::of_field("country_invalid", "the country is no ISO 3166-1 alpha-2 code"),
    Code::of_field("currency_invalid", "the currency is no ISO 4217 code of money that can be charged"),
    Code::of_field("delta_out_of_range", "a change of stock must not be 0, and is limited"),
    Code::of_field("email_invalid", "the e-mail is not a valid address"),
    // A malformed id is a malformed request (400); a value out of range was understood and refused (422).
    Code::bad_request("id_invalid", "the id does not have the form of an id of this API").with(&FIELD),
    Code::of_field("manufacturer_invalid", "the manufacturer is empty, too long or not plain text"),
    Code::of_field("name_invalid", "the name is empty, too long or not plain text"),
    Code::of_field("order_number_invalid", "the number does not have the form of an order number"),
    Code::of_field("password_common", "the password is one of the most common ones"),
    Code::of_field("password_length", "the password is too short or too long"),
    Code::of_field("payment_token_invalid", "the token does not have the form of a payment token"),
    Code::of_field("phone_invalid", "the phone is not a telephone number"),
    Code::of_field("price_out_of_range", "the price is negative or too high"),
    Code::of_field("product_repeated", "the product occurs twice in the batch"),
    Code::of_field("quantity_out_of_range", "a line has 1 to 9,999 units"),
    Code::of_field("reason_invalid", "the reason is empty, too long or not plain text"),
    Code::of_field("rename_invalid", "a category cannot become itself or one below itself"),
    Code::of_field("sale_rate_invalid", "the expected checkouts a second are out of range"),
    Code::of_field("sale_units_invalid", "the units of a sale are out of range"),
    Code::of_field(
        "sale_window_invalid",
        "the sale starts too soon, ends before it starts or lasts too long, or a time is malformed",
    ),
    Code::of_field("stock_out_of_range", "the stock is negative or too high"),
    Code::of_field("thumbnail_invalid", "the picture is neither an https: URL nor a relative path"),
    Code::of_field("tracking_number_invalid", "the tracking number is empty, too long or not plain text"),
    Code::of_field("tracking_url_invalid", "the URL is not one of https, or does not name a host"),
];
