//! `bitlens allocate`.

use crate::args::AllocateArgs;
use crate::failure::{Failure, write};
use crate::output::{Bar, bytes, effect, json_line};
use crate::{data, model, recipe};
use bitlens::ops::Isa;
use bitlens::session::allocate::AllocationQuestion;
use bitlens::session::view::{Allocated, AllocationView};
use bitlens::session::{AllocateJob, Found, Job as _};
use std::sync::Arc;

pub(crate) fn allocate(args: &AllocateArgs) -> Result<(), Failure> {
    let mut question = AllocationQuestion::new(recipe::recipe(&args.recipe)?, args.budget);
    question.method = args.method;
    for (given, bits) in [
        (&args.weight_widths, &mut question.weight_bits),
        (&args.activation_widths, &mut question.activation_bits),
    ] {
        if !given.is_empty() {
            bits.clone_from(given);
        }
    }
    let network = Arc::new(model::open(&args.model)?);
    let data = data::load(&args.data, &network)?;
    let bar = Bar::new();
    let mut job = AllocateJob::new(network, question, data.by_role, Found::default(), Isa::best())?;
    let found = job.run(&mut |progress| bar.show(progress))?;
    drop(bar);
    write(&args.output, found.chosen.recipe.to_json().as_bytes())?;
    if args.json {
        return json_line(&found);
    }
    print(&found)?;
    say!("written to {}", args.output.display());
    Ok(())
}

fn print(found: &AllocationView) -> Result<(), Failure> {
    let widest = found.layers.iter().map(|layer| layer.layer.len()).max().unwrap_or(0);
    for layer in &found.layers {
        let bits = |bits| if bits == 32 { "float".to_owned() } else { format!("{bits}") };
        let (weight, activation) = (bits(layer.weight_bits), bits(layer.activation_bits));
        say!(
            "{:<widest$}  weight {weight:>5}  input {activation:>5}  alone {:.6} nats",
            layer.layer,
            layer.kl
        );
    }
    say!("budget       {} {}", found.budget, found.unit);
    let row = |name: &str, of: &Allocated| {
        let size = bytes(of.size_bytes);
        say!("{name:<12} {} {}; file {size}; {}", of.cost, found.unit, effect(&of.measured));
        Ok::<(), Failure>(())
    };
    row("chosen", &found.chosen)?;
    if let Some(uniform) = &found.uniform {
        return row("all the same", uniform);
    }
    say!("all the same does not fit, whatever the bits");
    Ok(())
}
