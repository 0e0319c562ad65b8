//! Which encoder a name means, and where a static one is kept between runs.

use std::path::Path;

use anyhow::Result;
use semcov::embed::{
    self, ArtifactOptions, Artifacts, DistillParams, Distillation, Encoder, OpenDevice, Precision, StaticEncoder,
    StaticModel,
};

use crate::console::Console;

/// The encoder that is distilled where only `static` is said: the default one.
pub(crate) const DISTILLED: &str = "all-MiniLM-L6-v2";

/// The files of an encoder, found by its name.
pub(crate) struct Found {
    /// Those of the encoder; of a static one that is distilled here, those of the transformer.
    pub(crate) artifacts: Artifacts,
    distilled: bool,
}

/// Finds an encoder. `static`, or `static:` and the name of another one, is distilled from that.
pub(crate) fn find(name: &str, options: &ArtifactOptions, console: &Console) -> Result<Found> {
    let source = if name == "static" { Some(DISTILLED) } else { name.strip_prefix("static:") };
    let artifacts = Artifacts::resolve(source.unwrap_or(name), options)?;
    artifacts.warnings.iter().for_each(|warning| console.warn(warning));
    Ok(Found { artifacts, distilled: source.is_some() })
}

impl Found {
    /// Loads the encoder, in the precision that was asked for, else in the one of a profile that its vectors will be
    /// compared with. One that is distilled is kept in the cache folder, if there is one.
    pub(crate) fn load(
        &self,
        device: &OpenDevice,
        precision: Option<Precision>,
        followed: Option<Precision>,
        prompt: Option<&str>,
        cache: Option<&Path>,
        console: &Console,
    ) -> Result<Box<dyn Encoder>> {
        if !self.distilled {
            // Another encoder than the profile's may not have its precision. What follows from that is told later.
            let followed = followed.filter(|_| precision.is_none() && !self.artifacts.is_static());
            return Ok(match followed.map(|followed| embed::load_encoder(&self.artifacts, device, Some(followed))) {
                Some(Ok(encoder)) => encoder,
                _ => embed::load_encoder(&self.artifacts, device, precision)?,
            });
        }
        let distillation = Distillation::new(&self.artifacts, DistillParams::default().check()?)?;
        embed::check_static(&distillation.name(), precision)?;
        let model = kept(&distillation, cache, console)?.with_prompt(prompt.unwrap_or_default().to_owned());
        Ok(Box::new(StaticEncoder::new(&model)?))
    }

    /// What a user should know of the vectors, where they are not a transformer's.
    pub(crate) fn tier(&self) -> &'static str {
        if self.distilled || self.artifacts.is_static() {
            ": static, for screening; it knows words, not their order or context"
        } else {
            ""
        }
    }
}

/// The model of a distillation: from the cache, or made now and put there.
fn kept(distillation: &Distillation, cache: Option<&Path>, console: &Console) -> Result<StaticModel> {
    let file = cache.map(|cache| cache.join("static").join(format!("{}.safetensors", &distillation.digest()[..32])));
    let found = file.as_deref().and_then(|file| fs_err::read(file).ok());
    if let Some(model) = found.and_then(|weights| distillation.restore(&weights)) {
        return Ok(model);
    }
    console.note(format_args!(
        "distilling {}: every token of the vocabulary goes through the encoder once",
        distillation.name()
    ));
    let model = distillation.run(console)?;
    if let Some(file) = file {
        let weights = model.weights()?;
        let written = fs_err::create_dir_all(file.parent().unwrap_or(Path::new(".")))
            .map_err(semcov::Error::from)
            .and_then(|()| crate::output::write(&file, |out| Ok(out.write_all(&weights)?)));
        if let Err(error) = written {
            console.warn(format_args!("{} could not be kept in the cache: {error}", distillation.name()));
        }
    }
    Ok(model)
}
