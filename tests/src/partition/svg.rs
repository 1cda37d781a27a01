//! Pictures of a run: lines over time.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 84.0;
const TICKS: u32 = 5;
const COLOURS: [&str; 6] = ["#b3261e", "#b26a00", "#6a4fa3", "#1a6f3c", "#1b5e9c", "#555555"];
const DASHES: [&str; 6] = ["", "8 4", "3 3", "", "8 4", "3 3"];

/// A line, by its points.
pub struct Line<'a> {
    pub name: &'a str,
    pub points: Vec<(f64, f64)>,
}

/// A chart whose axes begin at zero.
pub fn lines(title: &str, x_unit: &str, y_unit: &str, all: &[Line<'_>]) -> String {
    let most = |of: fn(&(f64, f64)) -> f64| {
        let values = all.iter().flat_map(|line| line.points.iter().map(of));
        values.fold(1.0, f64::max)
    };
    let (most_x, most_y) = (round_up(most(|point| point.0)), round_up(most(|point| point.1)));
    let (wide, high) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let x = |value: f64| LEFT + wide * value / most_x;
    let y = |value: f64| TOP + high * (1.0 - value / most_y);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\" role=\"img\" aria-label=\"{title}\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\" fill=\"#222222\">{title}</text>\n"
    );
    for tick in 0..=TICKS {
        let part = f64::from(tick) / f64::from(TICKS);
        let (at_x, at_y) = (x(most_x * part), y(most_y * part));
        let (label_x, label_y) = (most_x * part, most_y * part);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at_y:.1}\" y2=\"{at_y:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555555\">{label_y:.0}</text>\
             <text x=\"{at_x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555555\">{label_x:.0}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at_y + 4.0,
            TOP + high + 18.0,
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555555\">{x_unit}</text>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555555\">{y_unit}</text>",
        WIDTH - RIGHT,
        TOP + high + 34.0,
        WIDTH - RIGHT,
        TOP - 8.0,
    );
    for (at, line) in all.iter().enumerate() {
        let (colour, dash) = (COLOURS[at % COLOURS.len()], DASHES[at % DASHES.len()]);
        let points: Vec<_> = line.points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
        let (key_x, key_y) = (LEFT + wide / 2.0 * (at % 2) as f64, TOP + high + 52.0 + 18.0 * (at / 2) as f64);
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/>\
             <line x1=\"{key_x:.1}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/>\
             <text x=\"{:.1}\" y=\"{key_y:.1}\" fill=\"#222222\">{}</text>",
            points.join(" "),
            key_x + 28.0,
            key_y - 4.0,
            key_y - 4.0,
            key_x + 34.0,
            line.name,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// The next number of which a fifth is round.
fn round_up(most: f64) -> f64 {
    let step = 10f64.powf((most / f64::from(TICKS)).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * step * f64::from(TICKS));
    steps.into_iter().find(|end| *end >= most).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!([0.9, 9.0, 41.0, 5_000.0, 5_001.0].map(round_up), [1.0, 10.0, 50.0, 5_000.0, 10_000.0]);
    }

    #[test]
    fn every_line_is_drawn_and_named() {
        let all = [
            Line { name: "one", points: vec![(0.0, 0.0), (10.0, 50.0)] },
            Line { name: "two", points: vec![(0.0, 0.0), (5.0, 100.0)] },
        ];

        let svg = lines("Sold", "s", "units", &all);

        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains(">one</text>") && svg.contains(">two</text>") && svg.ends_with("</svg>\n"));
        // The end of the second line: half of the width, at the top.
        assert!(svg.contains(&format!("{:.1},{:.1}", LEFT + (WIDTH - LEFT - RIGHT) / 2.0, TOP)), "{svg}");
    }
}
