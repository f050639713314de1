//! The sign-in page.

use maud::{Markup, html};

use crate::{
    language::{Language, Text},
    layout::{self, Frame},
    throttle::Patience,
};

/// What the page shows.
#[derive(Debug, Clone, Default)]
pub struct LoginView {
    /// Where to go afterwards: a path of ours.
    pub next: Option<String>,
    /// Name typed before.
    pub name: String,
    /// Why the last try failed.
    pub fault: Option<Text>,
    /// Token of this form.
    pub form_token: String,
    /// How often one may be wrong.
    pub patience: Patience,
}

/// Longest account name, in characters.
pub const NAME_MAX: usize = 64;
/// Longest passphrase, in characters: long enough for any sentence, short enough to hash at once.
pub const PASSPHRASE_MAX: usize = 256;

/// The page.
#[must_use]
pub fn page(frame: &Frame, view: &LoginView) -> Markup {
    let words = frame.words;
    let title = words.of("登录", "Sign in");
    layout::page(
        frame,
        title,
        &html! {
            div.wrap {
                div.gate.card {
                    h1 { (title) }
                    form method="post" action="/login" {
                        (layout::form_token(&view.form_token))
                        @if let Some(next) = &view.next { input type="hidden" name="next" value=(next); }
                        @if let Some(fault) = &view.fault { div.notice.bad role="alert" { p { (words.text(fault)) } } }
                        div.field {
                            label for="name" { (words.of("账号", "Account")) }
                            input #name name="name" type="text" value=(view.name) autocomplete="username" autocapitalize="none" spellcheck="false" maxlength=(NAME_MAX) required;
                        }
                        div.field {
                            label for="passphrase" { (words.of("口令", "Passphrase")) }
                            input #passphrase name="passphrase" type="password" autocomplete="current-password" maxlength=(PASSPHRASE_MAX) required;
                        }
                        p.actions { button.button type="submit" { (title) } }
                    }
                    p.note { (patience(words.0, view.patience)) }
                }
            }
        },
    )
}

fn patience(language: Language, patience: Patience) -> String {
    let Patience { tries, rest_minutes } = patience;
    match language {
        Language::Zh => format!("连续 {tries} 次输错将锁定 {rest_minutes} 分钟。账号由系统管理员开立。"),
        Language::En => {
            format!(
                "{tries} wrong tries lock the account for {rest_minutes} minutes. The system administrator opens accounts."
            )
        }
    }
}
