//! Lists: which page of one is asked for, and how one is answered.

use std::{borrow::Cow, fmt::Display};

use axum::extract::{FromRef, FromRequestParts, MatchedPath};
use http::request::Parts;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, ObjectBuilder, Ref, RefOr, Required, Schema, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::SchemaType,
    },
};

use crate::{Context, Problem, QueryParams, codes, schema};

const MAX_ITEMS: i32 = 100;

/// A page of the list that a route answers with: `limit` and `cursor` of the query. Without `limit` it has `DEFAULT` items.
#[derive(Debug, Clone)]
pub struct Page<const DEFAULT: i32 = 24> {
    pub limit: i32,
    cursor: Option<String>,
    /// The list: the route, with what [`Page::of`] added. A cursor is for this list only.
    list: String,
    context: Context,
}

#[derive(Debug, Deserialize)]
struct Query {
    limit: Option<i64>,
    cursor: Option<String>,
}

impl<const DEFAULT: i32> Page<DEFAULT> {
    /// Of the list with these filters and this owner.
    pub fn of(self, filters: impl Display) -> Self {
        let list = format!("{} {filters}", self.list);
        Self { list, ..self }
    }

    /// The position after which the page starts; `None` is the beginning of the list.
    ///
    /// # Errors
    /// 400 `cursor_invalid`.
    pub fn after<P: DeserializeOwned>(&self) -> Result<Option<P>, Problem> {
        let now = self.context.clock.now();
        self.cursor.as_deref().map(|cursor| self.context.cursors.open(cursor, &self.list, now)).transpose()
    }

    /// The answer with what the table found.
    pub fn list<'p, T, P: Serialize, R: From<&'p T>>(&self, found: &'p table::Page<T, P>) -> List<R> {
        self.with(found.items.iter().map(R::from).collect(), found.next.as_ref())
    }

    /// The answer with these items, of which the next page starts at this position.
    pub fn with<P: Serialize, R>(&self, items: Vec<R>, next: Option<&P>) -> List<R> {
        let seal = |position| self.context.cursors.seal(position, &self.list, self.context.clock.now());
        List { items, next_cursor: next.map(seal) }
    }
}

impl<const DEFAULT: i32, S: Send + Sync> FromRequestParts<S> for Page<DEFAULT>
where
    Context: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let QueryParams(Query { limit, cursor }) = QueryParams::from_request_parts(parts, state).await?;
        let limit = match i32::try_from(limit.unwrap_or(DEFAULT.into())) {
            Ok(limit @ 1..=MAX_ITEMS) => limit,
            Ok(_) | Err(_) => return Err(Problem::new(codes::LimitOutOfRange, "limit must be 1 to 100")),
        };
        let route = <MatchedPath as FromRequestParts<S>>::from_request_parts(parts, state).await;
        let route = route.map_err(Problem::internal)?;
        Ok(Self { limit, cursor, list: route.as_str().to_owned(), context: Context::from_ref(state) })
    }
}

impl<const DEFAULT: i32> IntoParams for Page<DEFAULT> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = |name: &str, schema: &str, description: String| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some(description))
                .schema(Some(Ref::from_schema_name(schema)))
                .build()
        };
        let limit = if DEFAULT == MAX_ITEMS { schema::CategoryPageLimit::name() } else { schema::PageLimit::name() };
        vec![
            parameter("limit", &limit, format!("1 to {MAX_ITEMS}, by default {DEFAULT}.")),
            parameter("cursor", &schema::Cursor::name(), "`nextCursor` of the page before.".to_owned()),
        ]
    }
}

/// A page of a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct List<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

/// A whole list that has no pages.
#[derive(Debug, Serialize)]
pub struct Items<T> {
    pub items: Vec<T>,
}

/// An item of a list.
pub trait Listed: ToSchema {
    /// The name of the list in the OpenAPI document.
    const LIST: &'static str;
    /// The name of the list without pages, where there are both.
    const ITEMS: &'static str = Self::LIST;
}

impl<T: Listed> PartialSchema for List<T> {
    fn schema() -> RefOr<Schema> {
        let cursor = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
        let cursor = cursor.description(Some("Pass as `cursor` to get the next page; `null` on the last page."));
        items::<T>().property("nextCursor", cursor).required("nextCursor").into()
    }
}

impl<T: Listed> ToSchema for List<T> {
    fn name() -> Cow<'static, str> {
        T::LIST.into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        add_item::<T>(schemas);
    }
}

impl<T: Listed> PartialSchema for Items<T> {
    fn schema() -> RefOr<Schema> {
        items::<T>().into()
    }
}

impl<T: Listed> ToSchema for Items<T> {
    fn name() -> Cow<'static, str> {
        T::ITEMS.into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        add_item::<T>(schemas);
    }
}

fn items<T: Listed>() -> ObjectBuilder {
    let items = ArrayBuilder::new().items(Ref::from_schema_name(T::name()));
    ObjectBuilder::new().property("items", items).required("items")
}

fn add_item<T: Listed>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}
