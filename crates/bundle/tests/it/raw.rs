//! A manifest built from `docs/FORMAT.md` alone, byte by byte, without the crate's own structs: the
//! twin of the encoder, and the tool that makes hostile manifests.

/// Offset, length without padding, checksum.
pub(crate) type Section = (u64, u64, u32);

#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) element: u32,
    pub(crate) dims: Vec<u64>,
    pub(crate) section: Section,
}

#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) neurons: u32,
    pub(crate) offset: u64,
    pub(crate) gate_bias: Option<u32>,
    pub(crate) up_bias: Option<u32>,
    pub(crate) order: Vec<u32>,
    pub(crate) crcs: Vec<u32>,
}

#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) source: [String; 3],
    /// Layers, neurons, vocabulary, context, kv width, element, width.
    pub(crate) shape: [u32; 7],
    pub(crate) gated: u8,
    pub(crate) architecture: String,
    /// Suffix and length of dense, neurons and texts.
    pub(crate) files: [(u64, u64); 3],
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) groups: Vec<Group>,
    pub(crate) texts: Vec<(String, Section)>,
    pub(crate) predictors: Option<Predictors>,
    pub(crate) calibration: Option<Calibration>,
}

#[derive(Clone)]
pub(crate) struct Predictors {
    pub(crate) file: (u64, u64),
    pub(crate) kind: String,
    pub(crate) groups: Vec<Option<Section>>,
}

#[derive(Clone)]
pub(crate) struct Calibration {
    pub(crate) tokens: u64,
    pub(crate) groups: Vec<([f32; 4], Vec<u32>)>,
    pub(crate) perplexities: [Option<f64>; 2],
    pub(crate) loads: Vec<(u64, f64)>,
}

impl Raw {
    pub(crate) fn payload(&self) -> Vec<u8> {
        let mut out = Out(Vec::new());
        self.source.iter().for_each(|text| out.text(text));
        self.shape.iter().for_each(|&number| out.u32(number));
        out.0.push(self.gated);
        out.text(&self.architecture);
        self.files.iter().for_each(|&file| out.file(file));
        out.list(&self.tensors, |out, tensor| {
            out.text(&tensor.name);
            out.u32(tensor.element);
            out.list(&tensor.dims, |out, &dim| out.u64(dim));
            out.section(tensor.section);
        });
        out.list(&self.groups, |out, group| {
            out.u32(group.neurons);
            out.u64(group.offset);
            out.option(group.gate_bias, Out::u32);
            out.option(group.up_bias, Out::u32);
            out.list(&group.order, |out, &neuron| out.u32(neuron));
            out.list(&group.crcs, |out, &crc| out.u32(crc));
        });
        out.list(&self.texts, |out, (name, section)| {
            out.text(name);
            out.section(*section);
        });
        out.option(self.predictors.as_ref(), |out, predictors| {
            out.file(predictors.file);
            out.text(&predictors.kind);
            out.list(&predictors.groups, |out, &section| out.option(section, Out::section));
        });
        out.option(self.calibration.as_ref(), Out::calibration);
        out.0
    }
}

/// The file that holds `payload`: header, then payload.
pub(crate) fn seal(payload: &[u8]) -> Vec<u8> {
    let mut header = Out(b"FLINT\r\n\x1a".to_vec());
    header.u32(1);
    header.u32(crc32c::crc32c(payload));
    header.u64(payload.len() as u64);
    header.u32(crc32c::crc32c(&header.0.clone()));
    header.u32(0);
    [header.0.as_slice(), payload].concat()
}

struct Out(Vec<u8>);

impl Out {
    fn u32(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u64(text.len() as u64);
        self.0.extend(text.as_bytes());
    }

    fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Out, &T)) {
        self.u64(items.len() as u64);
        items.iter().for_each(|item| each(self, item));
    }

    fn option<T>(&mut self, value: Option<T>, some: impl FnOnce(&mut Out, T)) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            some(self, value);
        }
    }

    fn file(&mut self, (suffix, len): (u64, u64)) {
        self.u64(suffix);
        self.u64(len);
    }

    fn section(&mut self, (offset, len, crc): Section) {
        self.u64(offset);
        self.u64(len);
        self.u32(crc);
    }

    fn calibration(&mut self, calibration: &Calibration) {
        self.u64(calibration.tokens);
        self.list(&calibration.groups, |out, (numbers, hot)| {
            numbers.iter().for_each(|number| out.0.extend(number.to_le_bytes()));
            out.list(hot, |out, &neuron| out.u32(neuron));
        });
        for perplexity in calibration.perplexities {
            self.option(perplexity, |out, number| out.0.extend(number.to_le_bytes()));
        }
        self.list(&calibration.loads, |out, (slots, loads)| {
            out.u64(*slots);
            out.0.extend(loads.to_le_bytes());
        });
    }
}
