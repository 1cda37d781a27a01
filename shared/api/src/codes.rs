//! Every code that an error can have. An answer with another one is a mistake, which tests find.

/// A code of an error.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    pub name: &'static str,
    /// Whether it says that the value of a field is refused, which `field` names.
    pub of_field: bool,
    /// For whoever writes a client.
    pub meaning: &'static str,
}

/// All of them, by name.
pub const CODES: &[Code] = &[
    of_field("address_invalid", "a line of the address is empty, too long or not plain text"),
    code("addresses_full", "a customer has as many addresses as they can have"),
    code("admin_required", "the route is for the shop's staff"),
    code("amount_not_chargeable", "the payment provider does not take the total"),
    code("amount_not_refundable", "the payment provider cannot give the amount back"),
    of_field(
        "attributes_invalid",
        "too many attributes, too large ones, or a value that is no string, number or boolean",
    ),
    code("batch_size", "a batch holds 1 to 100 products"),
    code("body_invalid", "the body is not what the route takes"),
    code("body_too_large", "the body is larger than the route takes"),
    code("body_unreadable", "the body did not arrive whole"),
    code("busy", "nothing was done; send the request again"),
    code("cart_busy", "the cart keeps changing; send the request again"),
    code("cart_changed", "the cart was changed during the checkout; read it again"),
    code("cart_empty", "there is nothing to buy"),
    code("cart_full", "a cart holds 90 lines"),
    of_field("category_invalid", "a category has at most four levels, each with a name"),
    code("category_not_empty", "the category has products or categories in it"),
    of_field("category_too_deep", "categories below it would have more than four levels"),
    of_field("country_invalid", "the country is no ISO 3166-1 alpha-2 code"),
    code("credentials_invalid", "no customer has this e-mail and password"),
    code("cross_site_request", "a page of another site sent the request"),
    of_field("currency_invalid", "the currency is no ISO 4217 code of money that can be charged"),
    code("currency_mismatch", "the shop charges in another currency"),
    code("cursor_invalid", "the cursor is not one of this list, or has expired"),
    code("day_invalid", "the day is no day, or not for this state"),
    of_field("delta_out_of_range", "a change of stock is not 0 and bounded"),
    of_field("email_invalid", "the e-mail is no address that mail can be sent to"),
    code("event_contradicts", "the event does not agree with the order it is about"),
    code("event_malformed", "the event cannot be read"),
    code("event_refused", "the event is not signed by the payment provider, or not lately"),
    code("guest", "a guest has to register first"),
    code("header_duplicated", "a header was sent more than once"),
    code("headers_too_large", "the headers are larger than 8 KiB together"),
    of_field("id_invalid", "the id is none that this API gives out"),
    code("idempotency_in_progress", "the first request under the key still runs; send it again"),
    code("idempotency_key_invalid", "the key is not 16 to 64 characters of A-Z a-z 0-9 . _ -"),
    code("idempotency_key_missing", "the route takes an Idempotency-Key"),
    code("idempotency_key_reused", "the key was used for another request"),
    code("if_match_invalid", "If-Match is no entity tag of this API"),
    code("internal", "something failed in the shop; read before you send the request again"),
    code("json_invalid", "the body is no JSON"),
    code("json_too_deep", "the body nests too deep"),
    code("limit_out_of_range", "a page holds 1 to 100 items"),
    of_field("manufacturer_invalid", "the manufacturer is empty, too long or not plain text"),
    code("media_type_unsupported", "the body has another Content-Type than the route takes"),
    code("method_not_allowed", "the route does not take the method"),
    of_field("name_invalid", "the name is empty, too long or not plain text"),
    code("not_found", "it does not exist, or is not the caller's"),
    code("order_cancelled", "the order was cancelled before it was paid; nothing was charged"),
    code("order_state_conflict", "the order is in a state that does not allow it"),
    code("out_of_stock", "less is left than was asked for"),
    code("outcome_unknown", "it may have been done; read, or send the request again with the same key"),
    of_field("password_common", "the password is among the first that attackers try"),
    code("password_incomplete", "a new password needs the current one"),
    of_field("password_length", "the password is too short or too long"),
    code("payment_declined", "the payment was declined; nothing was charged"),
    code("payment_expired", "the payment had no outcome in time; nothing was charged"),
    code("payment_missing", "there is a total to pay, and no payment was given"),
    of_field("payment_token_invalid", "the token is none of a payment provider"),
    of_field("phone_invalid", "the phone is no telephone number"),
    code("price_changed", "the total is another one than was expected"),
    of_field("price_out_of_range", "the price is negative or too high"),
    code("price_range_invalid", "the prices are out of range, or the least is above the highest"),
    code("product_exists", "there is a product of this id"),
    code("product_not_sold", "a product of the cart is no longer sold"),
    of_field("product_repeated", "the product is in the batch already"),
    of_field("quantity_out_of_range", "a line holds 1 to 9,999 units"),
    code("query_invalid", "a query parameter is not what the route takes"),
    code("rate_limited", "there were too many requests of this kind; wait as long as Retry-After says"),
    of_field("reason_invalid", "the reason is empty, too long or has characters that it cannot have"),
    code("refund_amount_invalid", "the amount is none that can be refunded"),
    code("refund_lines_invalid", "more units came back than were bought, or too many lines"),
    code("refund_too_many", "the order has as many refunds as it can have"),
    code("refund_too_much", "less is left to refund"),
    code("registration_refused", "the e-mail cannot be registered; whoever owns it can log in"),
    of_field("rename_invalid", "a category cannot become itself or one below itself"),
    code("session_invalid", "the session does not exist, has ended or expired"),
    code("session_missing", "the route needs a session"),
    code("sort_invalid", "the order is none that the list has"),
    code("state_invalid", "there is no such state"),
    of_field("stock_out_of_range", "the stock is negative or too high"),
    of_field("thumbnail_invalid", "the picture is no https: URL and no relative path"),
    code("version_mismatch", "it was changed meanwhile; read it again"),
];

/// Whether it is one of [`CODES`].
pub fn is_known(name: &str) -> bool {
    CODES.iter().any(|code| code.name == name)
}

const fn code(name: &'static str, meaning: &'static str) -> Code {
    Code { name, of_field: false, meaning }
}

const fn of_field(name: &'static str, meaning: &'static str) -> Code {
    Code { name, of_field: true, meaning }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_once_and_in_order() {
        for pair in CODES.windows(2) {
            assert!(pair[0].name < pair[1].name, "{} stands before {}", pair[0].name, pair[1].name);
        }
    }
}
