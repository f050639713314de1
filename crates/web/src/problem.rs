//! What a reader is told when something cannot be done: what happened and what to do, as a page or as
//! problem details (RFC 9457). The cause stays in the log under the same trace identifier.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::language::{Language, Text};

/// The kinds of problem; each has an address under `/problems/`, a title and an advice in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request cannot be read.
    Malformed,
    /// Nobody is signed in, or the token is not valid.
    Unauthenticated,
    /// Signed in, but not entitled.
    Forbidden,
    /// A form was not sent from our own page, or its session is over.
    FormToken,
    /// There is no such thing, or the caller may not know of it.
    NotFound,
    /// The address exists but not for this method.
    Method,
    /// Somebody was faster, or the thing is in a state that does not allow it.
    Conflict,
    /// Larger than the bound that the detail names.
    TooLarge,
    /// Readable, but its content does not hold.
    Unprocessable,
    /// Too many tries or calls.
    TooMany,
    /// Our fault.
    Internal,
    /// It took longer than the bound.
    Timeout,
}

impl Kind {
    /// Every kind, for the pages that explain them and for the API description.
    pub const ALL: [Self; 12] = [
        Self::Malformed,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::FormToken,
        Self::NotFound,
        Self::Method,
        Self::Conflict,
        Self::TooLarge,
        Self::Unprocessable,
        Self::TooMany,
        Self::Internal,
        Self::Timeout,
    ];

    /// HTTP status.
    #[must_use]
    pub const fn status_code(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::FormToken => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Timeout => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// HTTP status as a number.
    #[must_use]
    pub fn status(self) -> u16 {
        self.status_code().as_u16()
    }

    /// Last part of the type's address.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::FormToken => "form-token",
            Self::NotFound => "not-found",
            Self::Method => "method-not-allowed",
            Self::Conflict => "conflict",
            Self::TooLarge => "too-large",
            Self::Unprocessable => "unprocessable",
            Self::TooMany => "too-many",
            Self::Internal => "internal",
            Self::Timeout => "timeout",
        }
    }

    /// Title people read.
    #[must_use]
    pub fn title(self) -> Text {
        match self {
            Self::Malformed => Text::new("看不懂这个请求", "The request cannot be read"),
            Self::Unauthenticated => Text::new("请先登录", "Please sign in"),
            Self::Forbidden => Text::new("您没有这项权限", "You are not entitled to this"),
            Self::FormToken => Text::new("表单已失效", "The form is no longer valid"),
            Self::NotFound => Text::new("没有找到", "Not found"),
            Self::Method => Text::new("不支持这种请求方法", "The method is not supported here"),
            Self::Conflict => Text::new("状态已经变了", "The state has changed"),
            Self::TooLarge => Text::new("内容过大", "Too large"),
            Self::Unprocessable => Text::new("内容有误", "The content does not hold"),
            Self::TooMany => Text::new("请求过于频繁", "Too many requests"),
            Self::Internal => Text::new("系统出错了", "Something failed on our side"),
            Self::Timeout => Text::new("处理超时", "It took too long"),
        }
    }

    /// What happened, when nothing more exact is known.
    fn usual_detail(self) -> Text {
        match self {
            Self::Malformed => {
                Text::new("请求的格式不符合接口说明。", "The request is not as the API description says.")
            }
            Self::Unauthenticated => Text::new(
                "这个页面或接口只对已登录的账号或有效令牌开放。",
                "This is open to signed-in accounts and valid tokens only.",
            ),
            Self::Forbidden => Text::new("当前账号的角色不能做这件事。", "The role of this account may not do this."),
            Self::FormToken => Text::new(
                "表单不是从本站页面提交的，或登录已过期。",
                "The form was not sent from our page, or the session is over.",
            ),
            Self::NotFound => Text::new(
                "没有这个页面或对象，或者您无权知道它是否存在。",
                "There is no such page or object, or it is not yours to know of.",
            ),
            Self::Method => Text::new("这个地址不接受这种请求方法。", "This address does not take this method."),
            Self::Conflict => Text::new("在您操作之前，已经有人改变了它。", "Somebody changed it before you did."),
            Self::TooLarge => Text::new("请求超过了允许的大小。", "The request is larger than allowed."),
            Self::Unprocessable => Text::new("有内容没有填对。", "Something was filled in wrongly."),
            Self::TooMany => Text::new("短时间内的请求太多。", "There were too many requests in a short time."),
            Self::Internal => Text::new("原因已记入日志，没有丢失数据。", "The cause is in the log; no data is lost."),
            Self::Timeout => Text::new(
                "处理时间超过上限，已停止，没有留下半截结果。",
                "It ran into the time limit and was stopped; nothing half-done is left.",
            ),
        }
    }

    /// What to do.
    #[must_use]
    pub fn advice(self) -> Text {
        match self {
            Self::Malformed => {
                Text::new("请对照接口文档改正后再发。", "Compare it with the API description and send it again.")
            }
            Self::Unauthenticated => Text::new(
                "请登录，或在请求头 Authorization 中带上有效令牌。",
                "Sign in, or send a valid token in the Authorization header.",
            ),
            Self::Forbidden => Text::new(
                "如工作需要，请联系本单位共享工作机构或系统管理员。",
                "If your work needs it, ask your sharing office or the system administrator.",
            ),
            Self::FormToken => {
                Text::new("请返回上一页，刷新后重新提交。", "Go back, reload the page and send it again.")
            }
            Self::NotFound => {
                Text::new("请检查地址，或从数据目录重新查找。", "Check the address, or search the catalogue.")
            }
            Self::Method => {
                Text::new("允许的方法见响应头 Allow 与接口文档。", "See the Allow header and the API description.")
            }
            Self::Conflict => {
                Text::new("请刷新页面，看清现在的状态再办理。", "Reload, look at the present state, then act.")
            }
            Self::TooLarge => Text::new("请缩小后再试。", "Make it smaller and try again."),
            Self::Unprocessable => Text::new("请按提示改正后重新提交。", "Mend what is named and send it again."),
            Self::TooMany => Text::new(
                "请稍候再试；等待时间见响应头 Retry-After。",
                "Wait and try again; see the Retry-After header.",
            ),
            Self::Internal => Text::new(
                "请稍后再试；仍不行，请把追踪编号告诉管理员。",
                "Try again later; if it persists, give the administrator the trace number.",
            ),
            Self::Timeout => Text::new("请缩小范围后再试。", "Ask for less and try again."),
        }
    }
}

/// One problem on its way to a reader.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Which kind.
    pub kind: Kind,
    /// What exactly happened; `None` takes the kind's own sentence. Never holds personal data or a cause.
    pub said: Option<Text>,
    /// Seconds after which to try again, for [`Kind::TooMany`].
    pub retry_after_seconds: Option<u64>,
    /// The cause, for the log only.
    pub cause: Option<String>,
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Self {
        Self { kind, said: None, retry_after_seconds: None, cause: None }
    }
}

impl Problem {
    /// A problem with its own sentence.
    #[must_use]
    pub fn saying(kind: Kind, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { said: Some(Text::new(zh, en)), ..kind.into() }
    }

    /// Our own failure; the chain of causes goes to the log.
    #[must_use]
    pub fn internal(error: &dyn std::error::Error) -> Self {
        Self { cause: Some(chain(error)), ..Kind::Internal.into() }
    }

    /// What happened.
    #[must_use]
    pub fn detail(&self) -> Text {
        self.said.clone().unwrap_or_else(|| self.kind.usual_detail())
    }

    /// Problem details (RFC 9457) for the API.
    #[must_use]
    pub fn to_json(&self, language: Language, instance: &str, trace_id: &str) -> serde_json::Value {
        json!({
            "type": format!("/problems/{}", self.kind.slug()),
            "title": self.kind.title().get(language),
            "status": self.kind.status(),
            "detail": format!("{} {}", self.detail().get(language), self.kind.advice().get(language)),
            "instance": instance,
            "trace_id": trace_id,
        })
    }
}

/// Carries the problem to the outermost step, which knows the reader's language and writes it (`router`).
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.status_code().into_response();
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// An error with the causes below it, outermost first. At most sixteen: deeper chains are loops.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    for _ in 0..16 {
        let Some(cause) = source else { break };
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_never_shows_its_cause_to_the_reader() {
        let problem = Problem { cause: Some("table accounts is gone".into()), ..Kind::Internal.into() };
        let shown = problem.to_json(Language::Zh, "/api/v1/x", "4bf92f35").to_string();
        assert!(!shown.contains("accounts"));
        assert!(shown.contains("4bf92f35"));
    }

    #[test]
    fn every_kind_is_said_in_both_languages() {
        for kind in Kind::ALL {
            for text in [kind.title(), kind.usual_detail(), kind.advice()] {
                assert!(text.en.is_some_and(|en| en.is_ascii()), "{kind:?}");
            }
        }
    }
}
