//! `bitlens options`.

use crate::args::OptionsArgs;
use crate::failure::Failure;
use crate::output::json_line;
use bitlens::quant::recipe::{Offer, OptionKind};

pub(crate) fn options(args: &OptionsArgs) -> Result<(), Failure> {
    let offer = Offer::new();
    if args.json {
        return json_line(&offer);
    }
    say!("presets (--preset)");
    for preset in &offer.presets {
        say!("  {:<20} {}", preset.name, preset.about);
    }
    for option in &offer.options {
        say!("");
        say!("{} (--set {}=…): {}", option.title, option.key, option.about);
        match &option.kind {
            OptionKind::Bits { least, most, others } => {
                let others: Vec<String> = others.iter().map(u8::to_string).collect();
                let or = if others.is_empty() { "" } else { ", or " };
                say!("  {least} to {most}{or}{}", others.join(" or "));
            }
            OptionKind::Choice { choices } => {
                for choice in choices {
                    say!("  {:<20} {}", choice.name, choice.about);
                }
            }
            OptionKind::Switch => say!("  true, false"),
        }
    }
    Ok(())
}
