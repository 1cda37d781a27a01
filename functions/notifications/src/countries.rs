//! Names of countries in mails.

use std::{collections::BTreeMap, sync::LazyLock};

use domain::{CountryCode, Language};

/// By code, as [CLDR](https://cldr.unicode.org) names them.
const GERMAN: &str = include_str!("../languages/countries.de.json");

/// The country's name, or the code of a stored one that is not assigned.
pub fn country(code: CountryCode, language: Language) -> String {
    static IN_GERMAN: LazyLock<BTreeMap<String, String>> =
        LazyLock::new(|| serde_json::from_str(GERMAN).expect("a file of names has a name for each code"));
    let name = match language {
        Language::En => code.english_name(),
        Language::De => IN_GERMAN.get(code.as_str()).map(String::as_str),
    };
    name.unwrap_or(code.as_str()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_has_a_name_in_every_language() {
        let codes = (b'A'..=b'Z').flat_map(|a| (b'A'..=b'Z').map(move |b| [a, b]));
        let assigned = codes.filter_map(|code| CountryCode::parse(str::from_utf8(&code).unwrap()).ok());

        let mut countries = 0;
        for code in assigned {
            countries += 1;
            for language in Language::ALL {
                assert_ne!(country(code, language), code.as_str(), "in {}", language.as_str());
            }
        }

        assert_eq!(countries, 250);
        let named = |code| country(CountryCode::stored(code).unwrap(), Language::De);
        assert_eq!((named("IE"), named("ZZ")), ("Irland".to_owned(), "ZZ".to_owned()));
    }
}
