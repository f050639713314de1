//! Writes every page with sample values into a folder, so that a change of the design can be looked at
//! without a city: `cargo run -p yihe-web --example preview -- FOLDER`.

#[path = "../tests/it/samples.rs"]
mod samples;

use yihe_web::{
    assets::ASSETS,
    language::{Language, name},
};

fn main() -> std::io::Result<()> {
    let folder = std::path::PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "target/preview".into()));
    for language in [Language::Zh, Language::En] {
        for (page, markup) in samples::pages(language) {
            let folder = folder.join(name(language));
            std::fs::create_dir_all(folder.join("assets"))?;
            std::fs::write(folder.join(format!("{page}.html")), markup.replace("\"/assets/", "\"assets/"))?;
            for asset in ASSETS.iter() {
                std::fs::write(folder.join(asset.path.trim_start_matches('/')), asset.body)?;
            }
        }
    }
    Ok(())
}
