//! The second example of `docs/adding-an-access-pattern.md`: a list that needs an index. Compiled with the tests of
//! `shared/table`, as a module of `product_lists.rs`, so that the guide stays true; no part of the product.

use domain::Manufacturer;

use super::{CardPosition, PriceRange, ProductCard, SortOrder};
use crate::{Page, StoreError, Table};

mod schema {
    use crate::{
        keys::DataKind,
        schema::{Index, RangeType},
    };

    const CARD: &[&str] = &["name", "currency", "thumbnail", "soldOut"];

    /// Products of a manufacturer by price. A product without a manufacturer has no entry.
    pub const MANUFACTURER_PRICE: Index = Index {
        name: "manufacturer-price-index",
        kind: DataKind::Catalogue,
        hash: "manufacturer",
        range: "price",
        range_type: RangeType::Number,
        include: CARD,
    };
}

impl Table {
    /// AP-93: a manufacturer's products by price. Query manufacturer-price-index, eventually consistent.
    pub async fn product_list_by_manufacturer(
        &self,
        manufacturer: &Manufacturer,
        range: PriceRange,
        order: SortOrder,
        limit: i32,
        after: Option<&CardPosition>,
    ) -> Result<Page<ProductCard, CardPosition>, StoreError> {
        let index = &schema::MANUFACTURER_PRICE;
        self.card_page(("AP-93", index), manufacturer.as_str(), range, order, limit, after).await
    }
}
