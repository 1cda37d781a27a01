use domain::Invalid;

use crate::{Problem, codes::Code, wire::FieldError};

/// All fields of a request whose values are refused, in the order of the request.
///
/// A request is parsed field by field into a tuple of results, and [`All::all`] makes one result of it, so that a form
/// shows everything that is wrong at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalids {
    /// Separate from the rest: there is always at least one.
    first: InvalidField,
    others: Vec<InvalidField>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct InvalidField {
    /// Its path, such as `name`, `price.currency` or `lines[1].quantity`.
    path: String,
    code: &'static str,
    reason: String,
}

/// Errors of a part of a request: one field, or several.
pub trait Refused {
    /// The same errors, with this path in front.
    fn within(self, place: &str) -> Invalids;
}

impl<T: Into<Invalids>> Refused for T {
    fn within(self, place: &str) -> Invalids {
        let mut invalids = self.into();
        for field in std::iter::once(&mut invalids.first).chain(&mut invalids.others) {
            field.path = format!("{place}.{}", field.path);
        }
        invalids
    }
}

/// A tuple of results that becomes one result of a tuple.
pub trait All {
    type Values;

    /// All values, or all errors.
    ///
    /// # Errors
    /// All errors of the results, in their order.
    fn all(self) -> Result<Self::Values, Invalids>;
}

macro_rules! all {
    ($($value:ident: $refused:ident),+) => {
        impl<$($value, $refused: Into<Invalids>),+> All for ($(Result<$value, $refused>,)+) {
            type Values = ($($value,)+);

            #[allow(non_snake_case, reason = "a type and its value share a name")]
            fn all(self) -> Result<Self::Values, Invalids> {
                let ($($value,)+) = self;
                match ($($value,)+) {
                    ($(Ok($value),)+) => Ok(($($value,)+)),
                    ($($value,)+) => {
                        let mut refused = Vec::new();
                        $(refused.extend($value.err().map(Into::into));)+
                        Err(Invalids::joined(refused))
                    }
                }
            }
        }
    };
}

all!(A: E1, B: E2);
all!(A: E1, B: E2, C: E3);
all!(A: E1, B: E2, C: E3, D: E4);
all!(A: E1, B: E2, C: E3, D: E4, E: E5);
all!(A: E1, B: E2, C: E3, D: E4, E: E5, F: E6);
all!(A: E1, B: E2, C: E3, D: E4, E: E5, F: E6, G: E7);
all!(A: E1, B: E2, C: E3, D: E4, E: E5, F: E6, G: E7, H: E8);
all!(A: E1, B: E2, C: E3, D: E4, E: E5, F: E6, G: E7, H: E8, I: E9);
all!(A: E1, B: E2, C: E3, D: E4, E: E5, F: E6, G: E7, H: E8, I: E9, J: E10);

/// All values of a list, or all errors of its items; `place` is the name of the list.
///
/// # Errors
/// All errors of the items, in their order.
pub fn each<T, P, E: Into<Invalids>>(
    place: &str,
    items: &[T],
    parse: impl Fn(&T) -> Result<P, E>,
) -> Result<Vec<P>, Invalids> {
    let (mut parsed, mut refused) = (Vec::with_capacity(items.len()), Vec::new());
    for (at, item) in items.iter().enumerate() {
        match parse(item) {
            Ok(item) => parsed.push(item),
            Err(invalid) => refused.push(invalid.within(&format!("{place}[{at}]"))),
        }
    }
    if refused.is_empty() { Ok(parsed) } else { Err(Invalids::joined(refused)) }
}

impl Invalids {
    /// The code of the first error, for callers that can report one only.
    pub fn code(&self) -> &'static str {
        self.first.code
    }

    /// The first error as text.
    pub fn detail(&self) -> String {
        self.first.detail()
    }

    /// All of them.
    pub fn errors(&self) -> Vec<FieldError> {
        let fields = std::iter::once(&self.first).chain(&self.others);
        fields.map(|f| FieldError { field: f.path.clone(), code: f.code, detail: f.detail() }).collect()
    }

    /// # Panics
    /// There is no error: only failed results are joined.
    fn joined(refused: Vec<Self>) -> Self {
        let mut fields = refused.into_iter().flat_map(|r| std::iter::once(r.first).chain(r.others));
        let first = fields.next().expect("one of the results is an error");
        Self { first, others: fields.collect() }
    }
}

impl InvalidField {
    fn detail(&self) -> String {
        format!("{}: {}", self.path, self.reason)
    }
}

impl From<Invalid> for Invalids {
    fn from(Invalid { field, code, reason }: Invalid) -> Self {
        Self { first: InvalidField { path: field.to_owned(), code, reason }, others: Vec::new() }
    }
}

impl From<Invalids> for Problem {
    fn from(invalids: Invalids) -> Self {
        let problem = Self::new(Code::refused(invalids.code()), invalids.detail());
        problem.with_errors(invalids.errors())
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Invalids::from(invalid).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(field: &'static str) -> Result<(), Invalid> {
        Err(Invalid::new(field, "name_invalid", "must not be empty"))
    }

    fn paths(invalids: &Invalids) -> Vec<String> {
        invalids.errors().into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn valid_fields_become_their_values() {
        let fine: Result<_, Invalids> = (Ok::<_, Invalid>(1), Ok::<_, Invalids>("two")).all();

        assert_eq!(fine, Ok((1, "two")));
    }

    #[test]
    fn all_errors_are_reported_at_once_and_in_order() {
        let inner = (refused("line1"), Ok::<_, Invalid>(()), refused("city")).all().map_err(|i| i.within("address"));

        let wrong = (Ok::<_, Invalid>(1), refused("name"), inner).all().unwrap_err();

        assert_eq!(paths(&wrong), ["name", "address.line1", "address.city"]);
        assert_eq!((wrong.code(), wrong.detail()), ("name_invalid", "name: must not be empty".to_owned()));
    }

    #[test]
    fn an_error_of_an_item_names_its_index() {
        let wrong = each("lines", &[1, 0, 0], |n| if *n == 0 { refused("quantity") } else { Ok(()) }).unwrap_err();

        assert_eq!(paths(&wrong), ["lines[1].quantity", "lines[2].quantity"]);
    }
}
