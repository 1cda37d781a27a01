/// One page of a list, and where the next one starts. `next` is `None` if and only if nothing follows.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T, P> {
    pub items: Vec<T>,
    pub next: Option<P>,
}

/// How many items a Query requests, so that a page of `limit` knows whether another one follows. DynamoDB's
/// `LastEvaluatedKey` does not say that: it is also present if the last item of the list was the last one requested.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html>
pub(crate) fn one_more_than(limit: i32) -> i32 {
    limit.saturating_add(1)
}

impl<T, P> Page<T, P> {
    /// The page of `limit` from the answer to a Query for [`one_more_than`] items. `more` is whether the answer stopped
    /// before the end of the list, as it also does after 1 MB. The next page starts after the last item that is shown.
    pub(crate) fn cut(mut items: Vec<T>, limit: i32, more: bool, position_of: impl FnOnce(&T) -> P) -> Self {
        let limit = usize::try_from(limit).unwrap_or(0);
        let follows = items.len() > limit || more;
        items.truncate(limit);
        let next = items.last().filter(|_| follows).map(position_of);
        Self { items, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(answered: i32, more: bool) -> (usize, Option<i32>) {
        let page = Page::cut((1..=answered).collect(), 3, more, |item| *item);
        (page.items.len(), page.next)
    }

    #[test]
    fn a_page_names_the_next_one_only_if_something_follows() {
        assert_eq!(cut(0, false), (0, None));
        assert_eq!(cut(3, false), (3, None));
        assert_eq!(cut(4, true), (3, Some(3)));
        assert_eq!(cut(4, false), (3, Some(3)));
    }

    #[test]
    fn after_an_answer_that_stopped_early_the_next_page_starts_at_its_last_item() {
        assert_eq!(cut(2, true), (2, Some(2)));
    }
}
