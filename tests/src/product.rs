use domain::{CategoryPath, Currency, Money, Product, ProductDetails, ProductId, ProductName, Thumbnail, UserId};
use table::ProductRecord;

use crate::Shop;

/// A product to be created.
pub struct ProductBuilder<'a> {
    shop: &'a Shop,
    record: ProductRecord,
    stock: i64,
}

impl<'a> ProductBuilder<'a> {
    pub(crate) fn new(shop: &'a Shop, id: &str) -> Self {
        let now = shop.clock.now();
        let name = ProductName::parse(&format!("The {id}")).expect("a name");
        let price = Money::price(899, Currency::USD).expect("a price");
        let thumbnail = Thumbnail::parse(&format!("images/{id}.svg")).ok();
        let details = ProductDetails { thumbnail, ..ProductDetails::new(name, price) };
        let product = Product::new(id.parse().expect("an id"), details, now);
        Self { shop, record: ProductRecord { product, description: None, imported: None }, stock: 100 }
    }

    /// In cents.
    pub fn priced(mut self, cents: i64) -> Self {
        self.record.product.details.price = Money::price(cents, Currency::USD).expect("a price");
        self
    }

    pub fn priced_in(mut self, minor: i64, currency: Currency) -> Self {
        self.record.product.details.price = Money::price(minor, currency).expect("a price");
        self
    }

    pub fn stock(mut self, units: i64) -> Self {
        self.stock = units;
        self
    }

    /// `Kitchen/Mugs`.
    pub fn in_category(mut self, path: &str) -> Self {
        self.record.product.details.category = CategoryPath::parse(path).expect("a path");
        self
    }

    /// Not normalised, as an earlier version stored it.
    pub fn spelled_in_category(mut self, path: &str) -> Self {
        self.record.product.details.category = CategoryPath::unnormalised(path);
        self
    }

    pub fn featured(mut self, rank: u32) -> Self {
        self.record.product.details.featured_rank = Some(rank);
        self
    }

    pub async fn described(mut self, html: &str) -> Self {
        let stored =
            self.shop.stack.descriptions.store(&self.record.product.id, html.to_owned(), self.shop.clock.now()).await;
        self.record.description = Some(stored.expect("S3 answers"));
        self
    }

    pub async fn create(self) -> ProductId {
        let id = self.record.product.id.clone();
        let actor: UserId = "staff".parse().expect("an id");
        let table = &self.shop.stack.table;
        table.categories_add(&[self.record.product.details.category.clone()].into()).await.expect("the table answers");
        let created = table.product_create(&self.record, self.stock, &actor, uuid::Uuid::now_v7()).await;
        created.expect("the product is new");
        id
    }
}
