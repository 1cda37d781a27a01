use super::*;

const CATALOGUE: &str = r#"
{"id":"mug","source":"uci-online-retail","price":"2.55","currency":"GBP","attrs":{"stock_code":"85123A"}}
{"id":"jar","source":"uci-online-retail","price":"0.85","currency":"GBP","attrs":{"stock_code":"71053"}}
{"id":"gift","source":"uci-online-retail","price":"0","currency":"GBP","attrs":{"stock_code":"FREE"}}
{"id":"lamp","source":"uci-online-retail","price":null,"currency":"GBP","attrs":{"stock_code":"LAMP"}}
{"id":"shirt","source":"livostyle","price":"12.999","currency":"USD","attrs":{"size":42}}"#;

fn text(text: &str) -> impl Iterator<Item = io::Result<String>> {
    text.trim().lines().map(|line| Ok(line.to_owned()))
}

fn catalogue() -> Catalogue {
    Catalogue::parse(text(CATALOGUE)).unwrap()
}

/// Rows of `number,customer,code,quantity,price`.
fn log(rows: &[&str]) -> Vec<Draft> {
    let full = rows.iter().map(|row| {
        let [number, customer, rest] = row.splitn(3, ',').collect::<Vec<_>>()[..] else { panic!("{row}") };
        format!("{number},2010-12-01T08:26:00,{customer},United Kingdom,{rest}\n")
    });
    drafts(text(&format!("{HEADER}\n{}", full.collect::<String>()))).unwrap()
}

fn only(rows: &[&str]) -> Result<Invoice, Ineligible> {
    log(rows)[0].invoice(&catalogue())
}

#[test]
fn an_invoice_becomes_an_order_at_catalogue_prices() {
    let invoice = only(&["536365,17850,85123A,6,2.95", "536365,17850,71053,10,0.85"]).unwrap();

    let line = |product: &str, units, price_pence| Line { product: product.to_owned(), units, price_pence };
    assert_eq!((invoice.number.as_str(), invoice.customer.as_str()), ("536365", "17850"));
    assert_eq!(invoice.lines, [line("jar", 10, 85), line("mug", 6, 255)]);
    assert_eq!(invoice.total_pence(), 850 + 1_530);
}

#[test]
fn a_product_that_is_named_twice_is_one_line() {
    let invoice = only(&["1,7,71053,2,0.85", "1,7,71053,3,0.95"]).unwrap();

    assert_eq!(invoice.lines, [Line { product: "jar".to_owned(), units: 5, price_pence: 85 }]);
}

#[test]
fn rows_of_one_invoice_need_not_be_together() {
    let drafts = log(&["1,7,71053,2,0.85", "2,8,71053,1,0.85", "1,7,85123A,1,2.55"]);

    let rows: Vec<_> = drafts.iter().map(|draft| (draft.number.as_str(), draft.rows.len())).collect();
    assert_eq!(rows, [("1", 2), ("2", 1)]);
}

#[test]
fn each_reason_is_found() {
    let cases: [(&[&str], Ineligible); 11] = [
        (&["C1,7,71053,-2,0.85"], Ineligible::CancelledOrAdjustment),
        (&["A1,,B,1,-11062.06"], Ineligible::CancelledOrAdjustment),
        (&["1,,71053,2,0.85"], Ineligible::NoCustomer),
        (&["1,7,71053,2,0.85", "1,7,71053,-1,0.85"], Ineligible::QuantityNotPositive),
        (&["1,7,71053,0,0.85"], Ineligible::QuantityNotPositive),
        (&["1,7,71053,5000,0.85", "1,7,71053,5000,0.85"], Ineligible::QuantityTooLarge),
        (&["1,7,POST,1,18.00"], Ineligible::UnknownCode),
        (&["1,7,71053,1,0"], Ineligible::Unpriced),
        (&["1,7,71053,1,0.001"], Ineligible::Unpriced),
        (&["1,7,FREE,1,1.00"], Ineligible::Unpriced),
        (&["1,7,LAMP,1,1.00"], Ineligible::Unpriced),
    ];

    for (rows, reason) in cases {
        assert_eq!(only(rows), Err(reason), "{rows:?}");
    }
}

#[test]
fn only_the_first_reason_counts() {
    assert_eq!(only(&["C1,,POST,-1,0"]), Err(Ineligible::CancelledOrAdjustment));
    assert_eq!(only(&["1,,POST,-1,0"]), Err(Ineligible::NoCustomer));
    assert_eq!(only(&["1,7,LAMP,1,0", "1,7,POST,1,1.00"]), Err(Ineligible::UnknownCode));
}

#[test]
fn ninety_lines_fit_and_ninety_one_do_not() {
    let rows = |count: usize| -> Vec<String> { (0..count).map(|i| format!("1,7,code{i},1,1.00")).collect() };
    let check = |count| only(&rows(count).iter().map(String::as_str).collect::<Vec<_>>());

    // These codes are unknown, which is checked after the number of lines.
    assert_eq!(check(90), Err(Ineligible::UnknownCode));
    assert_eq!(check(91), Err(Ineligible::TooManyLines));
}

#[test]
fn a_quantity_of_9999_fits() {
    assert!(only(&["1,7,71053,9999,0.85"]).is_ok());
    assert_eq!(only(&["1,7,71053,10000,0.85"]), Err(Ineligible::QuantityTooLarge));
}

#[test]
fn a_log_in_another_format_is_refused() {
    assert!(drafts(text("a,b,c\n1,2,3")).is_err());
    assert!(drafts(text(&format!("{HEADER}\n1,2010,7,UK,\"71053,B\",1,0.85"))).is_err());
    assert!(drafts(text(&format!("{HEADER}\n1,2010,7,UK,71053,one,0.85"))).is_err());
}

#[test]
fn records_of_every_source_are_counted_and_stock_codes_are_unique() {
    let twice = format!("{CATALOGUE}\n{}", CATALOGUE.trim());

    assert_eq!(catalogue().records, 5);
    assert_eq!(catalogue().by_code.len(), 4);
    assert!(Catalogue::parse(text(&twice)).is_err());
}

#[test]
fn pence_are_read_exactly() {
    for (decimal, pence) in [
        ("2.55", 255),
        ("2.5", 250),
        ("2", 200),
        ("0.07", 7),
        ("0", 0),
        ("2.550", 255),
        ("1.1000", 110),
        ("0019.99", 1999),
    ] {
        assert_eq!(parse_pence(decimal), Ok(pence), "{decimal}");
    }
    for decimal in ["", ".", ".5", "2.", "2.555", "0.001", "-2.55", "+2.55", "2,55", "1e3", " 2", "2.5.5", "٣"] {
        assert!(parse_pence(decimal).is_err(), "{decimal}");
    }
    assert!(parse_pence("99999999999999999999").is_err());
}
