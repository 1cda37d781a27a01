//! A report as a picture: an SVG, or a page with it.

use super::report::Report;
use crate::decimal::Decimal;

const WIDTH: f64 = 1020.0;
/// Where bars begin and end.
const LEFT: f64 = 380.0;
const RIGHT: f64 = 910.0;
const BAR: f64 = 22.0;
const STEP: f64 = 30.0;
/// Lines of the bill that are shown.
const LINES: usize = 10;
/// Services: the palettes of Okabe and Ito and of Paul Tol, which people with any kind of colour vision can distinguish.
const COLOURS: [&str; 12] = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999", "#332288", "#882255",
    "#44aa99", "#661100",
];

/// An SVG of its own.
pub fn svg(report: &Report) -> String {
    let mut drawing = Drawing::default();
    let title = format!("{}: {} requests a month", report.profile, report.requests.to_text(0));
    drawing.text(24.0, 34.0, "title", &title);
    drawing.y = 66.0;
    modes(&mut drawing, report);
    dearest(&mut drawing, report);
    designs(&mut drawing, report);
    let height = drawing.y;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{label}\">\n<style>text {{ font: 14px sans-serif; fill: #222 }} .title {{ font-size: 20px; \
         font-weight: bold }} .heading {{ font-weight: bold }} .name {{ text-anchor: end }} .tick {{ text-anchor: middle }}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{}</svg>\n",
        drawing.elements,
        label = escaped(&title),
    )
}

/// A page with the picture and the text of the report.
pub fn html(report: &Report, text: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Costs of {name}</title>\n\
         <style>body {{ font-family: sans-serif; max-width: 1200px; margin: 2em auto }} svg {{ max-width: 100%; height: auto }} \
         pre {{ overflow-x: auto }}</style>\n{svg}<pre>{text}</pre>\n</html>\n",
        name = escaped(&report.profile),
        svg = svg(report),
        text = escaped(text),
    )
}

#[derive(Default)]
struct Drawing {
    elements: String,
    /// The baseline of the next row.
    y: f64,
}

impl Drawing {
    fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        self.elements += &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{}</text>\n", escaped(text));
    }

    fn bar(&mut self, x: f64, width: f64, colour: &str, title: &str) {
        let y = self.y;
        self.elements += &format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"><title>{}</title></rect>\n",
            escaped(title)
        );
    }

    fn heading(&mut self, text: &str) {
        self.text(24.0, self.y + 16.0, "heading", text);
        self.y += STEP;
    }

    /// A name, one bar, and what it stands for.
    fn row(&mut self, name: &str, width: f64, colour: &str, label: &str) {
        self.text(LEFT - 10.0, self.y + 16.0, "name", name);
        self.bar(LEFT, width, colour, &format!("{name}: {label}"));
        self.text(LEFT + width + 8.0, self.y + 16.0, "", label);
        self.y += STEP;
    }
}

/// Bars of the services, for each mode, and which colour each has.
fn modes(drawing: &mut Drawing, report: &Report) {
    drawing.heading("Dollars a month by service");
    let totals = &report.totals;
    let longest = totals.on_demand_usd.max(totals.scaled_usd).max(totals.fixed_usd);
    let modes = [
        ("on demand", totals.on_demand_usd),
        ("provisioned, scaled", totals.scaled_usd),
        ("provisioned, fixed", totals.fixed_usd),
    ];
    for (mode, (name, total)) in modes.into_iter().enumerate() {
        drawing.text(LEFT - 10.0, drawing.y + 16.0, "name", name);
        let mut x = LEFT;
        for (service, colour) in report.services.iter().zip(COLOURS.iter().cycle()) {
            let cost = [service.on_demand_usd, service.scaled_usd, service.fixed_usd][mode];
            let width = share(cost, longest) * (RIGHT - LEFT);
            drawing.bar(x, width, colour, &format!("{}: {}", service.name, cost.to_text(2)));
            x += width;
        }
        drawing.text(x + 8.0, drawing.y + 16.0, "", &total.to_text(2));
        drawing.y += STEP;
    }
    legend(drawing, report);
}

fn legend(drawing: &mut Drawing, report: &Report) {
    let mut x = LEFT;
    for (service, colour) in report.services.iter().zip(COLOURS.iter().cycle()) {
        // Of 14 pixels, a character is at most 9 wide.
        let width = 34.0 + 9.0 * service.name.chars().count() as f64;
        if x + width > WIDTH - 10.0 {
            x = LEFT;
            drawing.y += 24.0;
        }
        let y = drawing.y;
        drawing.elements +=
            &format!("<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\n", y + 5.0);
        drawing.text(x + 18.0, y + 16.0, "", &service.name);
        x += width;
    }
    drawing.y += STEP + 20.0;
}

fn dearest(drawing: &mut Drawing, report: &Report) {
    drawing.heading("The largest lines of the bill, on demand");
    let mut lines: Vec<_> = report.lines.iter().collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.usd));
    let longest = lines.first().map_or(Decimal::ZERO, |line| line.usd);
    for line in lines.into_iter().take(LINES) {
        let width = share(line.usd, longest) * (RIGHT - LEFT);
        drawing.row(&line.what, width, COLOURS[0], &line.usd.to_text(2));
    }
    drawing.y += 20.0;
}

/// The two designs differ by so much that only a logarithmic scale shows both.
fn designs(drawing: &mut Drawing, report: &Report) {
    drawing.heading(
        "Dollars a month, and with a Scan for each list of products (each step to the right is ten times as much)",
    );
    let design = &report.scan_design;
    let rows = [
        ("here", report.totals.on_demand_usd, COLOURS[2]),
        ("Scans, as DynamoDB counts them", design.total_usd_by_size, COLOURS[5]),
        ("Scans, a unit for each item", design.total_usd_by_item, COLOURS[5]),
    ];
    let tens = |usd: Decimal| usd.to_f64().max(1.0).log10();
    let decades = rows.iter().map(|(_, usd, _)| tens(*usd)).fold(1.0, f64::max).ceil();
    let (top, width) = (drawing.y, RIGHT - LEFT);
    for (name, usd, colour) in rows {
        drawing.row(name, tens(usd) / decades * width, colour, &usd.to_text(2));
    }
    for decade in 0..=decades as u32 {
        let x = LEFT + f64::from(decade) / decades * width;
        let bottom = drawing.y;
        drawing.elements +=
            &format!("<path d=\"M{x:.1} {top:.1}V{bottom:.1}\" stroke=\"#222\" stroke-opacity=\"0.25\"/>\n");
        let power = Decimal::whole(10_u64.saturating_pow(decade)).to_text(0);
        drawing.text(x, bottom + 16.0, "tick", &power.replace(",000,000", " M").replace(",000", " k"));
    }
    drawing.y += STEP + 10.0;
}

/// Of 1.
fn share(part: Decimal, of: Decimal) -> f64 {
    part.over(of).unwrap_or_default().to_f64()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::{Known, PriceList, Profile, SAMPLES};

    fn report(sample: &str) -> Report {
        let known = Known::built_in();
        Report::of(&Profile::sample(sample, &known).unwrap(), &known, &PriceList::built_in(), None)
    }

    #[test]
    fn the_picture_has_every_service_the_dearest_lines_and_both_designs() {
        for (sample, _) in SAMPLES {
            let report = report(sample);

            let picture = svg(&report);

            assert!(report.services.iter().all(|service| picture.contains(&format!(">{}</text>", service.name))));
            let dearest = report.lines.iter().max_by_key(|line| line.usd).expect("a bill has lines");
            assert!(picture.contains(&format!(">{}</text>", escaped(&dearest.what))), "{picture}");
            assert!(picture.contains(&report.scan_design.total_usd_by_item.to_text(2)));
            assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
        }
    }

    #[test]
    fn what_a_profile_is_called_is_text() {
        let mut report = report("small");
        report.profile = "<script>\"&".to_owned();

        let page = html(&report, "a < b");

        assert!(!page.contains("<script>"));
        assert!(page.contains("&lt;script&gt;&quot;&amp;") && page.contains("<pre>a &lt; b</pre>"));
    }
}
