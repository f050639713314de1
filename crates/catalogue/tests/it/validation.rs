use yihe_catalogue::{CatalogueError, EntryFault};
use yihe_definitions::{Language, ShareMethod, Sharing, Text};
use yihe_store::Role;

use crate::support::{Fixture, actor, draft, morning, on_both};

on_both!(
    every_fault_is_reported_at_once,
    a_title_is_unique_but_for_blanks_and_punctuation,
    withholding_needs_a_reason_and_a_legal_basis,
);

async fn faults(fixture: &Fixture, draft: &yihe_catalogue::EntryDraft) -> Vec<EntryFault> {
    let officer = actor("gongan", Role::Officer);
    match fixture.catalogue.compile(draft, &officer, morning(9, 26)).await {
        Err(error @ CatalogueError::Faults { .. }) => {
            let CatalogueError::Faults { faults, .. } = &error else { unreachable!() };
            for language in [Language::Zh, Language::En] {
                let message = error.message(language);
                assert!(faults.iter().all(|fault| message.contains(fault.text().get(language))), "{message}");
            }
            faults.clone()
        }
        other => panic!("expected faults, found {other:?}"),
    }
}

async fn every_fault_is_reported_at_once(fixture: Fixture) {
    let mut wanted = draft("household", " 。");
    "公民 身份号码".clone_into(&mut wanted.items[1].title.zh);
    wanted.key = vec!["id".to_owned()];
    wanted.publication.sharing = Sharing::Conditional { scope: Text::new(" ", ""), purpose: Text::new("", "") };
    wanted.publication.methods.clear();
    wanted.publication.grade = Text::new("", "");
    wanted.publication.secrecy_assessed = false;
    wanted.publication.privacy_assessed = false;
    assert_eq!(
        faults(&fixture, &wanted).await,
        [
            EntryFault::TitleBlank,
            EntryFault::ItemTitleTwice { title: "公民 身份号码".to_owned() },
            EntryFault::KeyUnknown { name: "id".to_owned() },
            EntryFault::ScopeBlank,
            EntryFault::PurposeBlank,
            EntryFault::NoMethod,
            EntryFault::GradeBlank,
            EntryFault::SecrecyNotAssessed,
            EntryFault::PrivacyNotAssessed,
        ]
    );
}

async fn a_title_is_unique_but_for_blanks_and_punctuation(fixture: Fixture) {
    let code = fixture.compile(&draft("a", "户籍人口信息")).await;
    assert_eq!(faults(&fixture, &draft("b", " 户籍 人口·信息")).await, [EntryFault::TitleTaken { code }]);
}

async fn withholding_needs_a_reason_and_a_legal_basis(fixture: Fixture) {
    let mut wanted = draft("household", "户籍人口信息");
    wanted.publication.sharing = Sharing::Withheld { reason: Text::new("", ""), legal_basis: Text::new("", "") };
    wanted.publication.methods = vec![ShareMethod::File];
    assert_eq!(
        faults(&fixture, &wanted).await,
        [EntryFault::ReasonBlank, EntryFault::LegalBasisBlank, EntryFault::MethodOfWithheld]
    );
}
