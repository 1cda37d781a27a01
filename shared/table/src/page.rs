/// One page of a list, and where the next one starts. `next` is `None` on the last page.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T, P> {
    pub items: Vec<T>,
    pub next: Option<P>,
}
