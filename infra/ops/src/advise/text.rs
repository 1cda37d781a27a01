//! Advice as text for a terminal.

use std::fmt::Write as _;

use super::verdict::{Advice, Mode, Refused, Side};
use crate::{costs::HOURS, decimal::Decimal};

const FIRST: usize = 46;

pub fn text(advice: &Advice) -> String {
    let mut out = String::new();
    // Writing into a string never fails.
    let _ = write_all(&mut out, advice);
    out
}

fn write_all(out: &mut String, advice: &Advice) -> std::fmt::Result {
    writeln!(
        out,
        "{} hours from {}, a value for each {}. Dollars for a month of {HOURS} hours like these, reads and writes only.",
        advice.hours.to_text(0),
        advice.start,
        match advice.period_minutes {
            1 => "minute".to_owned(),
            60 => "hour, spread evenly over its minutes: peaks within an hour are not seen".to_owned(),
            minutes => format!("{minutes} minutes, spread evenly"),
        }
    )?;
    writeln!(out, "\n{:FIRST$} {:>14} {:>14} {:>14}", "", "on demand", "scaled", "fixed")?;
    for (name, side) in [("reads", &advice.reads), ("writes", &advice.writes)] {
        let what = format!(
            "{name}: {} a second, at most {}",
            side.average_a_second.to_text(1),
            side.busiest_a_second.to_text(0)
        );
        row(out, &what, [side.on_demand_usd, side.scaled_usd, side.fixed_usd].map(|usd| usd.to_text(2)))?;
    }
    row(out, "together", [advice.on_demand_usd, advice.scaled_usd, advice.fixed_usd].map(|usd| usd.to_text(2)))?;
    let saved = |mode: Mode| format!("{} %", advice.saved(mode).times(Decimal::whole(100)).to_fixed(1));
    row(out, "saved", [String::new(), saved(Mode::Scaled), saved(Mode::Fixed)])?;
    for (name, side) in [("reads", &advice.reads), ("writes", &advice.writes)] {
        let refused = [Mode::OnDemand, Mode::Scaled, Mode::Fixed].map(|mode| side.refused(mode).units.to_text(0));
        row(out, &format!("{name} refused, units in these hours"), refused)?;
    }
    writeln!(
        out,
        "scaled: Auto Scaling, up to {} read and {} write units; fixed: {} and {} units all the time.",
        advice.reads.scaled_units_most.to_text(0),
        advice.writes.scaled_units_most.to_text(0),
        advice.reads.fixed_units.to_text(0),
        advice.writes.fixed_units.to_text(0)
    )?;
    for (name, side) in [("Reads", &advice.reads), ("Writes", &advice.writes)] {
        for (mode, words) in [
            (Mode::OnDemand, "on demand, which takes at most twice the peak of half an hour before,"),
            (Mode::Scaled, "with Auto Scaling"),
            (Mode::Fixed, "with fixed capacity"),
        ] {
            hours(out, &format!("{name} {words} would have been throttled"), side.refused(mode))?;
        }
        partition(out, name, side)?;
    }
    verdict(out, advice)
}

fn row(out: &mut String, what: &str, cells: [String; 3]) -> std::fmt::Result {
    let [on_demand, scaled, fixed] = cells;
    writeln!(out, "{what:FIRST$} {on_demand:>14} {scaled:>14} {fixed:>14}")
}

fn hours(out: &mut String, what: &str, refused: &Refused) -> std::fmt::Result {
    let Some(first) = refused.first else { return Ok(()) };
    writeln!(
        out,
        "\n{what} in {} minutes, from {first} on: {} units. The hours that refuse most:",
        refused.minutes,
        refused.units.to_text(0)
    )?;
    for hour in &refused.hours {
        writeln!(out, "  {}  {:>2} minutes {:>16} units", hour.start, hour.minutes, hour.units.to_text(0))?;
    }
    Ok(())
}

fn partition(out: &mut String, name: &str, side: &Side) -> std::fmt::Result {
    if let Some(refused) = &side.refused_by_partition {
        hours(
            out,
            &format!("{name} of the hottest key would have been throttled by its partition, in every mode,"),
            refused,
        )?;
    }
    match side.largest_part_of_a_key {
        Some(part) => writeln!(
            out,
            "\n{name}: no key may have more than {} % of the busiest minute, or its partition refuses the rest.",
            part.times(Decimal::whole(100)).to_fixed(1)
        ),
        None => Ok(()),
    }
}

fn verdict(out: &mut String, advice: &Advice) -> std::fmt::Result {
    let name = |mode: Mode| match mode {
        Mode::OnDemand => "on demand",
        Mode::Scaled => "provisioned with Auto Scaling",
        Mode::Fixed => "provisioned, fixed",
    };
    let saves = |mode: Mode| {
        let difference = advice.on_demand_usd - advice.usd(mode);
        let percent = advice.saved(mode).times(Decimal::whole(100)).to_fixed(1);
        format!("saves {} dollars a month, {percent} %", difference.to_text(2))
    };
    write!(out, "\nAdvice: {}", name(advice.advised))?;
    match (advice.advised, advice.cheapest) {
        (Mode::OnDemand, Mode::OnDemand) => writeln!(out, ". It costs least."),
        (Mode::OnDemand, cheapest) => {
            writeln!(out, ". {} {}, and would have refused requests.", capitalised(name(cheapest)), saves(cheapest))
        }
        (advised, cheapest) if advised == cheapest => {
            writeln!(out, ". It {}, and would have refused nothing.", saves(advised))
        }
        (advised, cheapest) => writeln!(
            out,
            ". It {}, and would have refused nothing; {} {}, and would have refused requests.",
            saves(advised),
            name(cheapest),
            saves(cheapest)
        ),
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advise::{Demand, HottestKey, Policy, SAMPLES},
        costs::PriceList,
    };

    fn printed(sample: &str, hottest_key: Option<HottestKey>) -> String {
        let (_, json) = SAMPLES.iter().find(|(name, _)| *name == sample).unwrap();
        let demand = Demand::parse(json, None).unwrap();
        text(&Advice::of(&demand, &Policy::default(), hottest_key, &PriceList::built_in()))
    }

    #[test]
    fn the_advice_says_what_is_saved() {
        let text = printed("steady-catalogue", None);

        let advice = "Advice: provisioned with Auto Scaling. It saves 47.27 dollars a month, 58.7 %, and would have refused nothing.";
        assert!(text.contains(advice), "{text}");
    }

    #[test]
    fn the_hour_that_breaks_provisioned_capacity_is_said() {
        let part = Decimal::percent(60);
        let text = printed("flash-sale", Some(HottestKey { reads: part, writes: part }));

        assert!(text.contains("Writes with Auto Scaling would have been throttled in"), "{text}");
        assert!(text.contains("\n  2026-11-06T12:00:00Z  20 minutes"), "{text}");
        assert!(text.contains("Writes of the hottest key would have been throttled by its partition"), "{text}");
        assert!(text.contains("Writes: no key may have more than 50.0 % of the busiest minute"), "{text}");
        assert!(text.contains("Advice: on demand."), "{text}");
    }
}
