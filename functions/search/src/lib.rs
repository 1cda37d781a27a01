//! Search: full text, facets and suggestions, from the generation of the index that this environment has opened.

mod index;
mod params;
mod search_products;
mod state;
mod suggest;
mod wire;

use api::{Documentation, Routes, routes};

pub use index::{Index, IndexSettings};
pub use state::State;

/// The routes, documented if `D` is an OpenAPI document.
pub fn router<D: Documentation>(state: State) -> Routes<D> {
    Routes::new().routes(routes!(search_products::search)).routes(routes!(suggest::suggest)).with_state(state)
}
