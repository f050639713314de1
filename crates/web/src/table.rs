//! The one shape of a table on a page: it scrolls sideways by itself, can be reached by the keyboard, and is named by
//! the heading above it.

use maud::{Markup, html};

/// The head of a column.
#[derive(Debug, Clone)]
pub enum Head<'a> {
    /// Words.
    Text(&'a str),
    /// Numbers, which stand at the end of their cells.
    Number(&'a str),
    /// Words of a city's own, which may be in another language than the page.
    Own(Markup),
}

impl Head<'_> {
    fn cell(&self) -> Markup {
        match self {
            Self::Text(title) => html! { th scope="col" { (title) } },
            Self::Own(title) => html! { th scope="col" { (title) } },
            Self::Number(title) => html! { th.num scope="col" { (title) } },
        }
    }
}

/// A table named by the element `labelled_by`; `body` is its rows.
#[must_use]
pub fn table(labelled_by: &str, heads: &[Head<'_>], body: &Markup) -> Markup {
    of_class(labelled_by, None, heads, body)
}

/// The same with a class of its own.
#[must_use]
pub fn of_class(labelled_by: &str, class: Option<&str>, heads: &[Head<'_>], body: &Markup) -> Markup {
    html! {
        div.scroll role="group" tabindex="0" aria-labelledby=(labelled_by) {
            table class=[class] {
                thead { tr { @for head in heads { (head.cell()) } } }
                tbody { (body) }
            }
        }
    }
}
