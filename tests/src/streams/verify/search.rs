use std::collections::BTreeSet;

use serde_json::Value;
use table::keys::sha256_hex;

use super::{Evidence, text};

/// T1, T2: staff find every order by its number, its contact's e-mail and its payment, and find nothing else by these.
pub fn order_unfound(evidence: &Evidence) -> Vec<String> {
    let orders = evidence.table.iter().filter(|item| text(item, "SK") == "STATUS");
    let wanted: BTreeSet<_> = orders.flat_map(entries).collect();
    let entry = |item: &Value| (text(item, "PK").to_owned(), text(item, "SK").to_owned());
    let there: BTreeSet<_> = evidence.table.iter().map(entry).filter(|(pk, _)| is_entry(pk)).collect();
    let missing = wanted.difference(&there).map(|entry| format!("{entry:?} is missing"));
    let stray = there.difference(&wanted).map(|entry| format!("{entry:?} is of no order"));
    // An order may have had another payment before.
    missing.chain(stray.filter(|stray| !stray.contains("PAYREF#"))).collect()
}

fn is_entry(pk: &str) -> bool {
    ["ORDERNO#", "CONTACT#", "PAYREF#"].iter().any(|prefix| pk.starts_with(prefix))
}

fn entries(order: &Value) -> Vec<(String, String)> {
    let id = text(order, "PK").trim_start_matches("ORDER#");
    let contact = order["contact"]["email"].as_str().map(|email| format!("CONTACT#{}", sha256_hex(email)));
    // An order of total zero has no payment.
    let paid = order["paymentReference"].as_str().filter(|reference| *reference != "free");
    let reference = paid.map(|reference| format!("PAYREF#{reference}"));
    let keys = [Some(format!("ORDERNO#{}", number(id))), contact, reference];
    keys.into_iter().flatten().map(|pk| (pk, id.to_owned())).collect()
}

/// The last 50 bits of the id in Crockford's base 32, in two groups of five.
fn number(id: &str) -> String {
    let hex: Vec<u64> = id.chars().filter_map(|c| c.to_digit(16)).map(u64::from).collect();
    let last = &hex[hex.len().saturating_sub(13)..];
    let bits = last.iter().fold(0_u64, |bits, digit| bits * 16 + digit);
    let digit = |place: u32| {
        let value = usize::try_from(bits / 32_u64.pow(place) % 32).unwrap_or_default();
        &"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[value..=value]
    };
    let group = |places: [u32; 5]| places.map(digit).concat();
    format!("{}-{}", group([9, 8, 7, 6, 5]), group([4, 3, 2, 1, 0]))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_number_is_the_end_of_the_id() {
        assert_eq!(number("018cc251-f400-7000-8000-000000000021"), "00000-00011");
        assert_eq!(number("018cc251-f400-7000-bfff-ffffffffffff"), "ZZZZZ-ZZZZZ");
    }
}
