use iso_currency::Currency;
use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn terms(starts_at: i64, ends_at: i64) -> SaleTerms {
    let price = Money::price(500, Currency::USD).unwrap();
    SaleTerms { price, starts_at: at(starts_at), ends_at: at(ends_at), limit: None }
}

/// A sale from second 100 to second 200, created at 0 and open.
fn open() -> Sale {
    let request = SaleRequest::parse("mug".parse().unwrap(), terms(100, 200), 50, 100, at(0)).unwrap();
    let sale = Sale::new(Uuid::nil().into(), request, "Mug".to_owned(), None, "ann".parse().unwrap(), at(0));
    Sale { progress: SaleProgress::Open, ..sale }
}

#[test]
fn a_sale_is_active_from_its_start_until_just_before_its_end() {
    let sale = open();

    let phases = [99, 100, 199, 200].map(|second| sale.phase(at(second)));

    assert_eq!(phases, [SalePhase::Scheduled, SalePhase::Active, SalePhase::Active, SalePhase::Over]);
    assert!(!sale.can_close(at(229)) && sale.can_close(at(230)));
}

#[test]
fn a_sale_that_is_not_prepared_is_not_sold() {
    let sale = Sale { progress: SaleProgress::Preparing { lots: 3 }, ..open() };

    assert_eq!(sale.phase(at(150)), SalePhase::Preparing);
    assert_eq!(sale.phase(at(200)), SalePhase::Over);
}

#[test]
fn a_sale_that_is_not_continued_is_stuck_after_five_minutes() {
    let over = open();
    let closing = Sale { progress: SaleProgress::Closing { keys: 1, units: 2 }, ..open() };
    let preparing = Sale { progress: SaleProgress::Preparing { lots: 3 }, ..open() };
    let ended = Sale { progress: SaleProgress::Ended { units: 2 }, ..open() };

    for sale in [over, closing] {
        assert_eq!([200, 529, 530].map(|second| sale.is_stuck(at(second))), [false, false, true]);
    }
    assert_eq!([299, 300].map(|second| preparing.is_stuck(at(second))), [false, true]);
    assert!(!ended.is_stuck(at(10_000)));
}

#[test]
fn a_change_applies_five_seconds_later_for_all() {
    let sale = open();
    let price = Money::price(400, Currency::USD).unwrap();

    let changed = sale.change(at(120), |terms, _| SaleTerms { price, ..terms }).unwrap();

    assert_eq!(changed.terms_at(at(124)).price, sale.terms_at(at(124)).price);
    assert_eq!(changed.terms_at(at(125)).price, price);
    assert_eq!(changed.version, sale.version + 1);
}

#[test]
fn a_sale_starts_early_and_stops_early() {
    let sale = open();

    let early = sale.start_early(at(10)).unwrap();
    let stopped = early.stop(at(30)).unwrap();
    let never = sale.stop(at(10)).unwrap();

    assert_eq!([14, 15].map(|s| early.phase(at(s))), [SalePhase::Scheduled, SalePhase::Active]);
    assert_eq!([34, 35].map(|s| stopped.phase(at(s))), [SalePhase::Active, SalePhase::Over]);
    assert_eq!([14, 15, 150].map(|s| never.phase(at(s))), [SalePhase::Scheduled, SalePhase::Over, SalePhase::Over]);
    assert_eq!(stopped.stop(at(36)), Err(SaleChangeError::Over));
    assert!(!stopped.can_close(at(64)) && stopped.can_close(at(65)));
}

#[test]
fn the_start_of_a_sale_that_has_started_stays() {
    let sale = open();

    let moved = sale.change(at(150), |terms, _| SaleTerms { starts_at: at(160), ..terms });

    assert_eq!(moved, Err(SaleChangeError::Started));
    assert_eq!(sale.start_early(at(150)).map(|sale| sale.latest_terms().starts_at), Ok(at(100)));
}

#[test]
fn a_sale_that_is_changed_all_the_time_is_refused_after_some_changes() {
    let mut sale = open();
    let mut refused = None;
    for _ in 0..20 {
        match sale.change(at(110), |terms, _| SaleTerms { limit: Quantity::new(2).ok(), ..terms }) {
            Ok(changed) => sale = changed,
            Err(error) => refused = Some(error),
        }
    }

    assert_eq!(refused, Some(SaleChangeError::TooMany));
    assert!(sale.change(at(120), |terms, _| terms).is_ok());
}

#[test]
fn a_request_out_of_range_names_its_field() {
    let parse = |terms, units, rate| SaleRequest::parse("mug".parse().unwrap(), terms, units, rate, at(0));

    for (request, field) in [
        (parse(terms(4, 200), 1, 1), "startsAt"),
        (parse(terms(100, 100), 1, 1), "endsAt"),
        (parse(terms(100, 100 + 32 * 86_400), 1, 1), "endsAt"),
        (parse(terms(100, 200), 0, 1), "units"),
        (parse(terms(100, 200), 100_001, 1), "units"),
        (parse(terms(100, 200), 1, 0), "checkoutsPerSecond"),
        (parse(terms(100, 200), 1, 5_001), "checkoutsPerSecond"),
    ] {
        assert_eq!(request.unwrap_err().field, field);
    }
}

#[test]
fn more_expected_checkouts_have_more_keys_and_more_lots() {
    let plan = |units, rate| {
        let LotPlan { keys, lots } = LotPlan::of(units, rate);
        (keys, lots)
    };

    assert_eq!(plan(1, 2_000), (1, 1));
    assert_eq!(plan(100, 10), (1, 16));
    assert_eq!(plan(5_000, 100), (1, 128));
    assert_eq!(plan(5_000, 2_000), (16, 2_048));
    assert_eq!(plan(100_000, 5_000), (40, 5_120));
}

#[test]
fn a_line_takes_from_one_lot_with_enough_and_else_from_the_fullest() {
    let seen: LotsSeen =
        [(0, 1), (1, 3), (2, 2), (3, 0)].map(|(lot, left)| (LotId::from(lot), left)).into_iter().collect();
    let take = |lot: u32, units| LotTake { lot: lot.into(), units };

    assert_eq!(seen.choose(3, 20, 7), Some(vec![take(1, 3)]));
    assert_eq!(seen.choose(5, 20, 7), Some(vec![take(1, 3), take(2, 2)]));
    assert_eq!(seen.choose(5, 1, 7), None);
    assert_eq!(seen.choose(7, 20, 7), None);
    assert_eq!((seen.units(), seen.obtainable(2)), (6, 5));
}

#[test]
fn the_fewer_units_a_key_has_the_sooner_it_is_read_again() {
    let seen = |units: u32| -> LotsSeen { [(LotId::from(0), units)].into_iter().collect() };
    let likely = |units, millis| seen(units).is_likely_after(SignedDuration::from_millis(millis));

    // 125 checkouts a second.
    assert!(likely(500, 1_000) && !likely(499, 1_000));
    assert!(likely(10, 20) && !likely(10, 21));
    assert!(likely(0, 0) && !likely(0, 10));
}

proptest! {
    #[test]
    fn the_lots_of_a_plan_have_all_units_of_the_sale(units in 1_u32..100_000, rate in 1_u32..5_000) {
        let plan = LotPlan::of(units, rate);

        let lots: BTreeMap<LotId, u32> = plan.lots(units, 0..plan.lots).collect();

        prop_assert_eq!(lots.len(), usize::try_from(plan.lots).unwrap());
        prop_assert_eq!(lots.values().sum::<u32>(), units);
        prop_assert!(lots.values().all(|size| *size > 0));
        prop_assert!(lots.keys().all(|lot| lot.key() < plan.keys));
    }

    #[test]
    fn what_is_chosen_is_what_was_asked_for_and_no_more_than_a_lot_has(
        lots in proptest::collection::btree_map(0_u32..50, 0_u32..6, 0..30),
        units in 1_u32..20,
        random: u64,
    ) {
        let seen: LotsSeen = lots.iter().map(|(lot, left)| (LotId::from(*lot), *left)).collect();

        match seen.choose(units, MAX_LOTS_OF_LINE, random) {
            Some(takes) => {
                prop_assert_eq!(takes.iter().map(|take| take.units).sum::<u32>(), units);
                prop_assert!(takes.iter().all(|take| take.units > 0 && take.units <= lots[&take.lot.as_u32()]));
                let mut after = seen.clone();
                after.took(&takes);
                prop_assert_eq!(after.units() + u64::from(units), seen.units());
            }
            None => prop_assert!(seen.obtainable(MAX_LOTS_OF_LINE) < units),
        }
    }
}
