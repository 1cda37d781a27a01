//! The query string of a search. Unlike those of other routes it has parameters that may be repeated, and some whose names
//! the shop's products define.

use std::collections::BTreeMap;

use api::{Problem, codes, schema};
use axum::extract::FromRequestParts;
use domain::{CategoryPath, MAX_PRICE_MINOR};
use http::request::Parts;
use search::{Filters, QueryText, Sort};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        ArrayBuilder, Ref, RefOr, Required, Schema,
        path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle},
    },
};

/// Values of one filter, and attributes that are filtered by.
const MAX_VALUES: usize = 20;

/// What attributes' parameters begin with.
const ATTRIBUTE: &str = "attr.";

/// What is searched for, apart from the page.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchParams {
    pub text: Option<QueryText>,
    pub filters: Filters,
    pub sort: Sort,
    /// Whether words that are probably misspelled are corrected.
    pub correct: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for SearchParams {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

fn invalid(name: &str, reason: &str) -> Problem {
    Problem::new(codes::QueryInvalid, format!("{name} {reason}"))
}

impl SearchParams {
    fn parse(query: &str) -> Result<Self, Problem> {
        let mut once: BTreeMap<&str, String> = BTreeMap::new();
        let mut filters = Filters::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if let Some(attribute) = name.strip_prefix(ATTRIBUTE) {
                filters.attributes.entry(attribute.to_owned()).or_default().push(value.into_owned());
                continue;
            }
            if name == "manufacturer" {
                filters.manufacturers.push(value.into_owned());
                continue;
            }
            let known = ["q", "category", "minPrice", "maxPrice", "inStock", "sort", "correct"];
            let Some(name) = known.into_iter().find(|known| *known == name) else { continue };
            if once.insert(name, value.into_owned()).is_some() {
                return Err(invalid(name, "must not be repeated"));
            }
        }
        let many = filters.manufacturers.len() > MAX_VALUES
            || filters.attributes.len() > MAX_VALUES
            || filters.attributes.values().any(|values| values.len() > MAX_VALUES);
        if many {
            return Err(Problem::new(codes::QueryInvalid, format!("a filter must have at most {MAX_VALUES} values")));
        }
        let price = |name: &str| -> Result<Option<i64>, Problem> {
            let Some(value) = once.get(name) else { return Ok(None) };
            let amount = value.parse().ok().filter(|amount| (0..=MAX_PRICE_MINOR).contains(amount));
            amount.map(Some).ok_or_else(|| invalid(name, "must be a price in minor units"))
        };
        let flag = |name: &str, default: bool| match once.get(name).map(String::as_str) {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(invalid(name, "must be true or false")),
        };
        filters.min_price = price("minPrice")?;
        filters.max_price = price("maxPrice")?;
        filters.in_stock = flag("inStock", false)?;
        filters.category = once.get("category").map(|path| CategoryPath::parse_search(path)).transpose()?;
        let sort = match once.get("sort").map(String::as_str) {
            None | Some("relevance") => Sort::Relevance,
            Some("price") => Sort::Price,
            Some("-price") => Sort::PriceDescending,
            Some("newest") => Sort::Newest,
            Some("rating") => Sort::Rating,
            Some(_) => return Err(invalid("sort", "must be relevance, price, -price, newest or rating")),
        };
        let text = once.get("q").and_then(|text| QueryText::parse(text));
        Ok(Self { text, filters, sort, correct: flag("correct", true)? })
    }
}

impl IntoParams for SearchParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = |name: &str, schema: RefOr<Schema>, description: &str| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some(description))
                .schema(Some(schema))
        };
        let named = |name: &str| RefOr::Ref(Ref::from_schema_name(name));
        let many = |name: &str| {
            RefOr::T(Schema::from(ArrayBuilder::new().items(Ref::from_schema_name(name)).max_items(Some(MAX_VALUES))))
        };
        let (price, flag) = (schema::PriceAmount::name(), schema::Flag::name());
        let parameters = [
            parameter("q", named(&schema::SearchText::name()), "What is searched for. Of a longer text the first 200 characters count. Without it, all products are listed."),
            parameter("category", named(&schema::CategoryName::name()), "Category path such as `Kitchen/Mugs`, including the categories below it. A slash within a name is `%2F`, before URL encoding."),
            parameter("minPrice", named(&price), "Minimum price, in minor units."),
            parameter("maxPrice", named(&price), "Maximum price, in minor units."),
            parameter("inStock", named(&flag), "Only products that are not sold out."),
            parameter("manufacturer", many(&schema::Manufacturer::name()), "One of these makers; repeated for each.").explode(Some(true)),
            parameter("attr", RefOr::T(Schema::from(attributes())), "Products with an attribute of this value: `attr.size=32`. Repeated for other values of it, any of which will do, and for other attributes, all of which must fit.").style(Some(ParameterStyle::Form)).explode(Some(true)),
            parameter("sort", named(&schema::SearchSort::name()), "The order; by default `relevance`."),
            parameter("correct", named(&flag), "Whether words that are probably misspelled are corrected; by default they are."),
        ];
        parameters.into_iter().map(ParameterBuilder::build).collect()
    }
}

/// Attributes by name: parameters of their own, which OpenAPI can only describe together.
fn attributes() -> utoipa::openapi::Object {
    utoipa::openapi::ObjectBuilder::new()
        .property_names(Some(utoipa::openapi::ObjectBuilder::new().pattern(Some(r"^attr\..+$"))))
        .additional_properties(Some(Ref::from_schema_name(schema::AttributeValue::name())))
        .max_properties(Some(MAX_VALUES))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_from_the_query_string() {
        let params = SearchParams::parse(
            "q=usb+stick&category=Home%2FUSB&minPrice=100&inStock=true&manufacturer=A&manufacturer=B&attr.size=32&sort=-price&utm_source=x",
        )
        .unwrap();

        assert_eq!(params.text, QueryText::parse("usb stick"));
        assert_eq!(params.filters.category, CategoryPath::parse("Home/USB").ok());
        assert_eq!(
            (params.filters.min_price, params.filters.max_price, params.filters.in_stock),
            (Some(100), None, true)
        );
        assert_eq!(params.filters.manufacturers, ["A", "B"]);
        assert_eq!(params.filters.attributes["size"], ["32"]);
        assert_eq!((params.sort, params.correct), (Sort::PriceDescending, true));
    }

    #[test]
    fn a_value_that_means_nothing_is_refused_and_no_text_is() {
        for wrong in ["minPrice=-1", "maxPrice=1.5", "inStock=1", "sort=cheap", "q=a&q=b", "correct="] {
            assert!(SearchParams::parse(wrong).is_err(), "{wrong}");
        }
        for text in ["q=", "q=%00%ff", "q=AND+OR+NOT+(((", "q=name%3Ax%5E9"] {
            assert!(SearchParams::parse(text).is_ok(), "{text}");
        }
    }
}
