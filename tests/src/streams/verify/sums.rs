use std::collections::BTreeMap;

use super::{Evidence, number, text};

/// T1, T2: the stored rating of a product is the sum of its reviews, whatever was added, changed or deleted before.
pub fn rating_wrong(evidence: &Evidence) -> Vec<String> {
    // By product: reviews and stars, as counted here and as stored.
    let mut sums: BTreeMap<&str, [(i64, i64); 2]> = BTreeMap::new();
    for item in &evidence.table {
        let Some(product) = text(item, "PK").strip_prefix("PROD#") else { continue };
        let sk = text(item, "SK");
        let [given, stored] = sums.entry(product).or_default();
        if sk.starts_with("REVIEW#") {
            *given = (given.0 + 1, given.1 + number(item, "stars"));
        } else if sk.ends_with("#RATING") {
            *stored = (number(item, "reviews"), number(item, "stars"));
        }
    }
    let wrong = sums.into_iter().filter(|(_, [given, stored])| given != stored);
    wrong.map(|(product, [given, stored])| format!("{product} has {given:?}, but stored is {stored:?}")).collect()
}

/// T1, T2: a product is marked as sold out if no unit of it is left, and only then.
pub fn sold_out_flag_wrong(evidence: &Evidence) -> Vec<String> {
    let mut left: BTreeMap<&str, i64> = BTreeMap::new();
    let mut marked: BTreeMap<&str, bool> = BTreeMap::new();
    for item in &evidence.table {
        let Some(product) = text(item, "PK").strip_prefix("PROD#") else { continue };
        let Some(rest) = text(item, "SK").strip_prefix("META#").and_then(|sk| sk.strip_prefix(product)) else {
            continue;
        };
        if rest.is_empty() {
            marked.insert(product, item["soldOut"] == true);
        } else if rest.starts_with("#STOCK#") {
            *left.entry(product).or_default() += number(item, "available");
        }
    }
    let units = |product: &str| left.get(product).copied().unwrap_or_default();
    let wrong = marked.into_iter().filter(|(product, marked)| *marked != (units(product) <= 0));
    wrong.map(|(product, marked)| format!("{product} with {} units: {marked}", units(product))).collect()
}

/// T1, T2: a category's numbers are those of the products in it and below it, wherever they were before.
pub fn category_count_wrong(evidence: &Evidence) -> Vec<String> {
    // By the names of its path: products in it and below it, as counted here and as stored.
    let mut numbers: BTreeMap<Vec<String>, [(i64, i64); 2]> = BTreeMap::new();
    for item in &evidence.table {
        let (pk, sk) = (text(item, "PK"), text(item, "SK"));
        if pk.starts_with("CAT#") {
            let names: Vec<String> = sk.split('\u{1f}').map(str::to_owned).collect();
            numbers.entry(names).or_default()[1] = (number(item, "own"), number(item, "below"));
        } else if pk.strip_prefix("PROD#").is_some_and(|product| sk.strip_prefix("META#") == Some(product)) {
            let levels = ["category4", "category3", "category2", "category"];
            let Some(path) = levels.iter().find_map(|level| item[*level].as_str()) else { continue };
            let names: Vec<String> = path.split('/').map(str::to_owned).collect();
            for depth in 1..names.len() {
                numbers.entry(names[..depth].to_vec()).or_default()[0].1 += 1;
            }
            numbers.entry(names).or_default()[0].0 += 1;
        }
    }
    let wrong = numbers.into_iter().filter(|(_, [are, stored])| are != stored);
    wrong.map(|(names, [are, stored])| format!("{} has {are:?}, but stored is {stored:?}", names.join("/"))).collect()
}
