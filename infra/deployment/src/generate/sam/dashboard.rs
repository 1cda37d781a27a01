//! The dashboard: `infra/cdk/lib/dashboard.json`, with a line about each table of a kind of data that the deployment has.

use std::fmt::Write as _;

use serde_json::Value;
use table::keys::DataKind;

use super::values::{has_own, indented};
use crate::{
    Outcome,
    tables::{OWN, resource_of},
};

/// # Errors
/// The dashboard is no JSON, or what is about a table of its own is not a whole line with a comma at its end.
pub fn dashboard(body: &str) -> Outcome<String> {
    serde_json::from_str::<Value>(body).map_err(|e| format!("the dashboard: {e}"))?;
    let (mut text, mut variables) = (String::new(), "    Stage: !Ref HttpApiApiGatewayDefaultStage\n".to_owned());
    let mut lines = 0;
    for line in body.lines() {
        let Some(kind) = of_own_table(line) else {
            let _ = writeln!(text, "{line}");
            continue;
        };
        let row = line.trim();
        let is_whole = row.strip_suffix(',').is_some_and(|row| serde_json::from_str::<Value>(row).is_ok());
        if !is_whole {
            return Err(format!("the dashboard: {row} has to be a row that another one follows").into());
        }
        lines += 1;
        let indentation = &line[..line.len() - line.trim_start().len()];
        let _ = writeln!(text, "{indentation}${{Row{lines}}}");
        let _ = writeln!(variables, "    Row{lines}: !If [{}, !Sub '{}', '']", has_own(kind), row.replace('\'', "''"));
    }
    Ok(format!("DashboardBody: !Sub\n  - |\n{}  -\n{variables}", indented(&text, 4)))
}

/// The kind of data whose own table a line is about.
fn of_own_table(line: &str) -> Option<DataKind> {
    OWN.into_iter().find(|kind| line.contains(&format!("${{{}}}", resource_of(*kind))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_table_of_its_own_is_there_with_the_table() {
        let body = "{\"metrics\": [\n  [\"A\", \"${OrdersDataTable}\", \"'x'\"],\n  [\"B\", \"${Table}\"]\n]}\n";

        let text = dashboard(body).unwrap();

        let expected = "DashboardBody: !Sub\n  - |\n    {\"metrics\": [\n      ${Row1}\n      [\"B\", \"${Table}\"]\n    ]}\n  \
                        -\n    Stage: !Ref HttpApiApiGatewayDefaultStage\n    Row1: !If [HasOrdersTable, !Sub '[\"A\", \
                        \"${OrdersDataTable}\", \"''x''\"],', '']\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_last_row_cannot_depend_on_a_table() {
        assert!(dashboard("{\"metrics\": [\n  [\"A\", \"${OrdersDataTable}\"]\n]}\n").is_err());
        assert!(dashboard("{").is_err());
    }
}
