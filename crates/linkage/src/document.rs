//! A model as the file that people review: YAML with the reasons beside what was proposed.

use std::{fmt::Write, io::Write as _, path::Path};

use crate::{
    aside::Aside,
    block,
    error::LinkageError,
    model::Model,
    profile::{Meaning, Profile},
    propose::Proposal,
};

/// The model alone.
#[must_use]
pub fn model(model: &Model) -> String {
    serde_saphyr::to_string(model).unwrap_or_default()
}

/// The model, and above it what was seen, in Chinese and English.
#[must_use]
pub fn proposal(proposal: &Proposal) -> String {
    let mut text = String::from(
        "# 关联模型，由数据拟写，请审阅后使用 · a linkage model proposed from the data; review it before use.\n\
         # 训练与关联 · train and link: yihe link run --model THIS.yaml A.parquet [B.parquet]\n#\n# 列 · columns\n",
    );
    for profile in &proposal.profiles {
        let reason = proposal.left_out.iter().find(|(name, _)| *name == profile.name).map(|(_, reason)| *reason);
        let seen = format!("{:.0}% filled, {} different values", profile.filled * 100.0, profile.distinct);
        let _ = match reason {
            Some(reason) => writeln!(text, "#   {}: 不用 · left out: {reason} ({seen})", profile.name),
            None => writeln!(text, "#   {}: {} ({seen})", profile.name, meaning(profile)),
        };
    }
    text.push_str("#\n# 比较哪些对，及预计对数 · which pairs are compared, and how many that will be\n");
    for (rule, cost) in proposal.model.blocking.iter().zip(&proposal.costs) {
        let _ = writeln!(text, "#   {}: {:.0}, largest block {}", block::name(rule), cost.pairs, cost.largest);
    }
    text.push_str(&model(&proposal.model));
    text
}

fn meaning(profile: &Profile) -> &'static str {
    match profile.meaning {
        Meaning::RecordId => "记录编号 · names a record",
        Meaning::Answer => "答案 · the answer",
        Meaning::Nothing => "无内容 · nothing",
        Meaning::Category => "类别 · category",
        Meaning::Day => "日期 · day",
        Meaning::Number => "数值 · number",
        Meaning::Latitude => "纬度 · latitude",
        Meaning::Longitude => "经度 · longitude",
        Meaning::CitizenId => "公民身份号码 · citizen identity number",
        Meaning::CreditCode => "统一社会信用代码 · unified social credit code",
        Meaning::Hash(_) => "带密钥的杂凑值 · keyed hash",
        Meaning::Bloom => "带密钥的布隆过滤器 · keyed Bloom filter",
        Meaning::Code => "号码 · code",
        Meaning::Name => "名称 · name",
        Meaning::ChineseName => "中文姓名 · Chinese name",
        Meaning::ChineseWords => "中文文本 · Chinese text",
        Meaning::ChineseAddress => "中文地址 · Chinese address",
        Meaning::Words => "多词文本 · text of several words",
    }
}

/// Writes a file whole or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn save(path: &Path, text: &str) -> Result<(), LinkageError> {
    let failed = |error: std::io::Error| LinkageError::Output { path: path.to_owned(), reason: error.into() };
    let aside = Aside::create(path).map_err(failed)?;
    aside.file().write_all(text.as_bytes()).map_err(failed)?;
    aside.put().map_err(failed)
}
