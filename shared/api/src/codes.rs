//! Every error code of the API. Tests fail on an answer with any other code.

/// A code of an error.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    pub name: &'static str,
    /// Whether it means that the value of a field is refused; `field` names the field.
    pub of_field: bool,
    /// For developers of clients.
    pub meaning: &'static str,
}

/// All of them, by name.
pub const CODES: &[Code] = &[
    of_field("address_invalid", "a line of the address is empty, too long or not plain text"),
    code("addresses_full", "the customer has the maximum number of addresses"),
    code("admin_required", "the route is for the shop's staff"),
    code("amount_not_chargeable", "the payment provider does not accept the total"),
    code("amount_not_refundable", "the payment provider cannot give the amount back"),
    of_field(
        "attributes_invalid",
        "too many attributes, too large ones, or a value that is no string, number or boolean",
    ),
    code("batch_size", "a batch has 1 to 100 products"),
    code("body_invalid", "the body does not match the route's schema"),
    code("body_too_large", "the body is larger than the route accepts"),
    code("body_unreadable", "the body did not arrive completely"),
    code("busy", "nothing was done; send the request again"),
    code("cart_busy", "the cart keeps changing; send the request again"),
    code("cart_changed", "the cart was changed during the checkout; read it again"),
    code("cart_empty", "the cart has no lines"),
    code("cart_full", "a cart has at most 90 lines"),
    of_field("category_invalid", "a category has at most four levels, each with a name"),
    code("category_not_empty", "the category has products or categories in it"),
    of_field("category_too_deep", "categories below it would have more than four levels"),
    of_field("country_invalid", "the country is no ISO 3166-1 alpha-2 code"),
    code("credentials_invalid", "no customer has this e-mail and password"),
    code("cross_site_request", "a page of another site sent the request"),
    of_field("currency_invalid", "the currency is no ISO 4217 code of money that can be charged"),
    code("currency_mismatch", "the amount is not in the shop's currency"),
    code("cursor_invalid", "the cursor does not belong to this list, or has expired"),
    code("day_invalid", "the day is not a date, or cannot be combined with this state"),
    of_field("delta_out_of_range", "a change of stock must not be 0, and is limited"),
    of_field("email_invalid", "the e-mail is not a valid address"),
    code("event_contradicts", "the event contradicts the order it is about"),
    code("event_malformed", "the event cannot be read"),
    code("event_refused", "the event's signature is invalid or too old"),
    code("guest", "a guest has to register first"),
    code("header_duplicated", "a header was sent more than once"),
    code("headers_too_large", "the headers are larger than 8 KiB together"),
    of_field("id_invalid", "the id does not have the form of an id of this API"),
    code("idempotency_in_progress", "the first request under the key still runs; send it again"),
    code("idempotency_key_invalid", "the key is not 16 to 64 characters of A-Z a-z 0-9 . _ -"),
    code("idempotency_key_missing", "the route requires an Idempotency-Key"),
    code("idempotency_key_reused", "the key was used for another request"),
    code("if_match_invalid", "If-Match is neither * nor a list of entity tags"),
    code("internal", "the server failed; read the current state before you send the request again"),
    code("json_invalid", "the body is not JSON"),
    code("json_too_deep", "the body nests too deep"),
    code("limit_out_of_range", "a page has 1 to 100 items"),
    of_field("manufacturer_invalid", "the manufacturer is empty, too long or not plain text"),
    code("media_type_unsupported", "the route does not accept the body's Content-Type"),
    code("method_not_allowed", "the route does not support the method"),
    of_field("name_invalid", "the name is empty, too long or not plain text"),
    code("not_found", "it does not exist, or belongs to somebody else"),
    code("order_cancelled", "the order was cancelled before it was paid; nothing was charged"),
    code("order_state_conflict", "the order is in a state that does not allow it"),
    code("out_of_stock", "fewer units are in stock than requested"),
    code(
        "outcome_unknown",
        "the request may have been carried out; read the current state, or send it again with the same key",
    ),
    of_field("password_common", "the password is one of the most common ones"),
    code("password_incomplete", "a new password requires the current one"),
    of_field("password_length", "the password is too short or too long"),
    code("payment_declined", "the payment was declined; nothing was charged"),
    code("payment_expired", "the payment was not completed in time; nothing was charged"),
    code("payment_missing", "there is a total to pay, and no payment was given"),
    of_field("payment_token_invalid", "the token does not have the form of a payment token"),
    of_field("phone_invalid", "the phone is not a telephone number"),
    code("price_changed", "the total differs from the expected total"),
    of_field("price_out_of_range", "the price is negative or too high"),
    code("price_range_invalid", "the prices are out of range, or the least is above the highest"),
    code("product_exists", "a product with this id exists"),
    code("product_not_sold", "a product of the cart is no longer sold"),
    of_field("product_repeated", "the product occurs twice in the batch"),
    of_field("quantity_out_of_range", "a line has 1 to 9,999 units"),
    code("query_invalid", "a query parameter is missing or invalid"),
    code("rate_limited", "there were too many requests of this kind; wait as long as Retry-After says"),
    of_field("reason_invalid", "the reason is empty, too long or not plain text"),
    code("refund_amount_invalid", "the amount is not positive, or not in the order's currency"),
    code("refund_lines_invalid", "more units are returned than were bought, or there are too many lines"),
    code("refund_too_many", "the order has the maximum number of refunds"),
    code("refund_too_much", "less than the amount is left to refund"),
    code("registration_refused", "the e-mail cannot be registered; if it has an account, log in"),
    of_field("rename_invalid", "a category cannot become itself or one below itself"),
    code("session_invalid", "the session does not exist, has ended or expired"),
    code("session_missing", "the route needs a session"),
    code("sort_invalid", "the list does not support this order"),
    code("state_invalid", "the state does not exist"),
    of_field("stock_out_of_range", "the stock is negative or too high"),
    of_field("thumbnail_invalid", "the picture is neither an https: URL nor a relative path"),
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
