//! What the law demands of an entry, checked whole: every fault at once (art. 13 to 15).

use std::collections::BTreeSet;

use yihe_definitions::{Sharing, Text};

use crate::{compile::EntryDraft, search::title_key};

/// Most items of one entry.
pub const ITEMS_MAX: usize = 512;

/// Something an entry lacks or says wrongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryFault {
    /// 目录名称 is blank.
    TitleBlank,
    /// Another entry has this title but for blanks and punctuation.
    TitleTaken {
        /// Code of the other entry.
        code: String,
    },
    /// 数据项 are missing.
    NoItems,
    /// More items than are taken.
    TooManyItems {
        /// Items found.
        found: usize,
    },
    /// An item without a title.
    ItemTitleBlank {
        /// Column name.
        name: String,
    },
    /// Two items with one title.
    ItemTitleTwice {
        /// The title.
        title: String,
    },
    /// The key names an item that is not there.
    KeyUnknown {
        /// Column name.
        name: String,
    },
    /// 有条件共享 without 共享范围 (art. 15).
    ScopeBlank,
    /// 有条件共享 without 使用用途 (art. 15).
    PurposeBlank,
    /// 不予共享 without a reason (art. 15).
    ReasonBlank,
    /// 不予共享 without a law, administrative regulation or State Council decision (art. 14 and 15).
    LegalBasisBlank,
    /// 共享方式 missing although the data are shared (art. 13).
    NoMethod,
    /// 共享方式 named although the data are withheld.
    MethodOfWithheld,
    /// 数据分类分级 missing (art. 13).
    GradeBlank,
    /// The secrecy-risk assessment was not made (art. 13).
    SecrecyNotAssessed,
    /// The personal-information impact assessment was not made (art. 13).
    PrivacyNotAssessed,
}

impl EntryFault {
    /// What the provider reads.
    #[must_use]
    pub fn text(&self) -> Text {
        match self {
            Self::TitleBlank => Text::new("目录名称不能为空", "the title is blank, expected a name"),
            Self::TitleTaken { code } => Text::new(
                format!("目录名称与条目 {code} 重复（空格和标点不计）"),
                format!("the title is that of entry {code} but for blanks and punctuation, expected another"),
            ),
            Self::NoItems => Text::new("至少应有一个数据项", "found no item, expected at least one"),
            Self::TooManyItems { found } => Text::new(
                format!("数据项共 {found} 个，最多 {ITEMS_MAX} 个"),
                format!("found {found} items, at most {ITEMS_MAX} are taken"),
            ),
            Self::ItemTitleBlank { name } => {
                Text::new(format!("数据项 {name} 没有名称"), format!("the item {name} has no title"))
            }
            Self::ItemTitleTwice { title } => {
                Text::new(format!("数据项名称“{title}”重复"), format!("two items have the title `{title}`"))
            }
            Self::KeyUnknown { name } => Text::new(
                format!("主键 {name} 不是数据项"),
                format!("the key names `{name}`, expected one of the items"),
            ),
            Self::ScopeBlank => {
                Text::new("有条件共享须列明共享范围（条例第十五条）", "conditional sharing needs a scope (art. 15)")
            }
            Self::PurposeBlank => {
                Text::new("有条件共享须列明使用用途（条例第十五条）", "conditional sharing needs a purpose (art. 15)")
            }
            Self::ReasonBlank => {
                Text::new("不予共享须说明理由（条例第十五条）", "withholding needs a reason (art. 15)")
            }
            Self::LegalBasisBlank => Text::new(
                "不予共享须有法律、行政法规或者国务院决定依据（条例第十四条、第十五条）",
                "withholding needs a law, an administrative regulation or a State Council decision (art. 14, 15)",
            ),
            Self::NoMethod => Text::new("须列明共享方式（条例第十三条）", "a way of supply is needed (art. 13)"),
            Self::MethodOfWithheld => {
                Text::new("不予共享的数据不应列共享方式", "withheld data cannot have a way of supply")
            }
            Self::GradeBlank => {
                Text::new("须列明数据分类分级（条例第十三条）", "the data class and grade are needed (art. 13)")
            }
            Self::SecrecyNotAssessed => Text::new(
                "编目前须完成保密风险评估（条例第十三条）",
                "the secrecy-risk assessment comes before filing (art. 13)",
            ),
            Self::PrivacyNotAssessed => Text::new(
                "编目前须完成个人信息保护影响评估（条例第十三条）",
                "the personal-information impact assessment comes before filing (art. 13)",
            ),
        }
    }
}

/// Every fault of a draft that can be seen without the other entries.
#[must_use]
pub fn faults_of(draft: &EntryDraft) -> Vec<EntryFault> {
    let mut faults = Vec::new();
    if title_key(&draft.title.zh).is_empty() {
        faults.push(EntryFault::TitleBlank);
    }
    items(draft, &mut faults);
    let withheld = match &draft.publication.sharing {
        Sharing::Unconditional => false,
        Sharing::Conditional { scope, purpose } => {
            demand(scope, EntryFault::ScopeBlank, &mut faults);
            demand(purpose, EntryFault::PurposeBlank, &mut faults);
            false
        }
        Sharing::Withheld { reason, legal_basis } => {
            demand(reason, EntryFault::ReasonBlank, &mut faults);
            demand(legal_basis, EntryFault::LegalBasisBlank, &mut faults);
            true
        }
    };
    match (withheld, draft.publication.methods.is_empty()) {
        (false, true) => faults.push(EntryFault::NoMethod),
        (true, false) => faults.push(EntryFault::MethodOfWithheld),
        (false, false) | (true, true) => {}
    }
    demand(&draft.publication.grade, EntryFault::GradeBlank, &mut faults);
    if !draft.publication.secrecy_assessed {
        faults.push(EntryFault::SecrecyNotAssessed);
    }
    if !draft.publication.privacy_assessed {
        faults.push(EntryFault::PrivacyNotAssessed);
    }
    faults
}

fn items(draft: &EntryDraft, faults: &mut Vec<EntryFault>) {
    if draft.items.is_empty() {
        faults.push(EntryFault::NoItems);
    }
    if draft.items.len() > ITEMS_MAX {
        faults.push(EntryFault::TooManyItems { found: draft.items.len() });
    }
    let mut titles = BTreeSet::new();
    for item in &draft.items {
        let key = title_key(&item.title.zh);
        if key.is_empty() {
            faults.push(EntryFault::ItemTitleBlank { name: item.name.clone() });
        } else if !titles.insert(key) {
            faults.push(EntryFault::ItemTitleTwice { title: item.title.zh.clone() });
        }
    }
    for name in &draft.key {
        if !draft.items.iter().any(|item| item.name == *name) {
            faults.push(EntryFault::KeyUnknown { name: name.clone() });
        }
    }
}

fn demand(text: &Text, fault: EntryFault, faults: &mut Vec<EntryFault>) {
    if text.zh.trim().is_empty() {
        faults.push(fault);
    }
}
