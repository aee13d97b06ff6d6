"""Written by ``scripts/gpu_memory.py``: bytes that live at most, counted for the published architectures.

Stage, architecture, precision (``half`` is fp16 and bf16), method or quantisation, gradient checkpointing → bytes for
each of ``BATCHES`` images of 512 pixels, or rows of 512 tokens.
"""

from __future__ import annotations

BATCHES = (1, 4, 16, 64)
CURVES: dict[tuple[str, str, str, str, bool], tuple[int, ...]] = {
    ("text_to_image.finetune", "sd15", "fp32", "full", False): (
        14_730_000_000,
        18_420_000_000,
        41_250_000_000,
        132_580_000_000,
    ),
    ("text_to_image.finetune", "sd15", "fp32", "full", True): (
        14_460_000_000,
        15_250_000_000,
        18_540_000_000,
        41_720_000_000,
    ),
    ("text_to_image.finetune", "sd15", "fp32", "lora", False): (
        5_620_000_000,
        10_590_000_000,
        30_460_000_000,
        109_930_000_000,
    ),
    ("text_to_image.finetune", "sd15", "fp32", "lora", True): (
        4_430_000_000,
        5_820_000_000,
        11_390_000_000,
        33_640_000_000,
    ),
    ("text_to_image.sample", "sd15", "fp32", "", False): (
        5_070_000_000,
        7_490_000_000,
        17_160_000_000,
        55_840_000_000,
    ),
    ("language_model.finetune", "phi-1.5", "fp32", "full", False): (
        22_700_000_000,
        28_900_000_000,
        64_460_000_000,
        206_680_000_000,
    ),
    ("language_model.finetune", "phi-1.5", "fp32", "full", True): (
        22_700_000_000,
        22_750_000_000,
        24_580_000_000,
        37_470_000_000,
    ),
    ("language_model.finetune", "phi-1.5", "fp32", "lora", False): (
        8_150_000_000,
        15_310_000_000,
        43_950_000_000,
        158_490_000_000,
    ),
    ("language_model.finetune", "phi-1.5", "fp32", "lora", True): (
        6_080_000_000,
        7_020_000_000,
        10_800_000_000,
        25_910_000_000,
    ),
    ("language_model.finetune", "phi-1.5", "fp32", "qlora", False): (
        4_010_000_000,
        11_170_000_000,
        39_800_000_000,
        154_350_000_000,
    ),
    ("language_model.finetune", "phi-1.5", "fp32", "qlora", True): (
        1_940_000_000,
        2_880_000_000,
        6_660_000_000,
        21_770_000_000,
    ),
    ("language_model.likelihood", "phi-1.5", "fp32", "", False): (
        5_790_000_000,
        6_110_000_000,
        7_420_000_000,
        12_650_000_000,
    ),
    ("language_model.likelihood", "phi-1.5", "fp32", "nf4", False): (
        1_650_000_000,
        1_970_000_000,
        3_280_000_000,
        8_510_000_000,
    ),
    ("language_model.finetune", "mistral-7b", "fp32", "full", False): (
        115_880_000_000,
        115_900_000_000,
        193_090_000_000,
        511_540_000_000,
    ),
    ("language_model.finetune", "mistral-7b", "fp32", "full", True): (
        115_880_000_000,
        115_900_000_000,
        119_020_000_000,
        131_970_000_000,
    ),
    ("language_model.finetune", "mistral-7b", "fp32", "lora", False): (
        33_980_000_000,
        48_580_000_000,
        107_000_000_000,
        340_640_000_000,
    ),
    ("language_model.finetune", "mistral-7b", "fp32", "lora", True): (
        29_590_000_000,
        31_100_000_000,
        37_160_000_000,
        61_390_000_000,
    ),
    ("language_model.finetune", "mistral-7b", "fp32", "qlora", False): (
        9_900_000_000,
        24_500_000_000,
        82_910_000_000,
        316_560_000_000,
    ),
    ("language_model.finetune", "mistral-7b", "fp32", "qlora", True): (
        5_500_000_000,
        7_020_000_000,
        13_080_000_000,
        37_310_000_000,
    ),
    ("language_model.likelihood", "mistral-7b", "fp32", "", False): (
        29_090_000_000,
        29_460_000_000,
        30_920_000_000,
        36_770_000_000,
    ),
    ("language_model.likelihood", "mistral-7b", "fp32", "nf4", False): (
        5_010_000_000,
        5_370_000_000,
        6_840_000_000,
        12_690_000_000,
    ),
    ("text_to_image.finetune", "sd15", "half", "full", False): (
        14_230_000_000,
        16_050_000_000,
        27_480_000_000,
        73_180_000_000,
    ),
    ("text_to_image.finetune", "sd15", "half", "full", True): (
        14_090_000_000,
        14_490_000_000,
        16_070_000_000,
        26_260_000_000,
    ),
    ("text_to_image.finetune", "sd15", "half", "lora", False): (
        6_270_000_000,
        9_050_000_000,
        20_140_000_000,
        64_540_000_000,
    ),
    ("text_to_image.finetune", "sd15", "half", "lora", True): (
        4_180_000_000,
        4_910_000_000,
        7_820_000_000,
        19_470_000_000,
    ),
    ("text_to_image.sample", "sd15", "half", "", False): (
        2_540_000_000,
        3_740_000_000,
        8_580_000_000,
        27_920_000_000,
    ),
    ("language_model.finetune", "phi-1.5", "half", "full", False): (
        22_700_000_000,
        26_440_000_000,
        46_670_000_000,
        127_580_000_000,
    ),
    ("language_model.finetune", "phi-1.5", "half", "full", True): (
        22_700_000_000,
        22_710_000_000,
        23_630_000_000,
        30_850_000_000,
    ),
    ("language_model.finetune", "phi-1.5", "half", "lora", False): (
        4_250_000_000,
        8_130_000_000,
        23_670_000_000,
        85_810_000_000,
    ),
    ("language_model.finetune", "phi-1.5", "half", "lora", True): (
        3_100_000_000,
        3_570_000_000,
        5_460_000_000,
        13_030_000_000,
    ),
    ("language_model.finetune", "phi-1.5", "half", "qlora", False): (
        2_490_000_000,
        6_370_000_000,
        21_910_000_000,
        84_050_000_000,
    ),
    ("language_model.finetune", "phi-1.5", "half", "qlora", True): (
        1_340_000_000,
        1_810_000_000,
        3_700_000_000,
        11_270_000_000,
    ),
    ("language_model.likelihood", "phi-1.5", "half", "", False): (
        2_920_000_000,
        3_080_000_000,
        3_710_000_000,
        6_330_000_000,
    ),
    ("language_model.likelihood", "phi-1.5", "half", "nf4", False): (
        1_160_000_000,
        1_320_000_000,
        1_950_000_000,
        4_570_000_000,
    ),
    ("language_model.finetune", "mistral-7b", "half", "full", False): (
        115_880_000_000,
        118_470_000_000,
        169_430_000_000,
        374_210_000_000,
    ),
    ("language_model.finetune", "mistral-7b", "half", "full", True): (
        115_880_000_000,
        115_900_000_000,
        117_720_000_000,
        125_820_000_000,
    ),
    ("language_model.finetune", "mistral-7b", "half", "lora", False): (
        17_640_000_000,
        26_550_000_000,
        62_210_000_000,
        204_860_000_000,
    ),
    ("language_model.finetune", "mistral-7b", "half", "lora", True): (
        14_870_000_000,
        15_690_000_000,
        18_970_000_000,
        32_100_000_000,
    ),
    ("language_model.finetune", "mistral-7b", "half", "qlora", False): (
        7_400_000_000,
        16_310_000_000,
        51_970_000_000,
        194_620_000_000,
    ),
    ("language_model.finetune", "mistral-7b", "half", "qlora", True): (
        4_630_000_000,
        5_450_000_000,
        8_730_000_000,
        21_860_000_000,
    ),
    ("language_model.likelihood", "mistral-7b", "half", "", False): (
        14_550_000_000,
        14_730_000_000,
        15_460_000_000,
        18_390_000_000,
    ),
    ("language_model.likelihood", "mistral-7b", "half", "nf4", False): (
        4_310_000_000,
        4_490_000_000,
        5_220_000_000,
        8_150_000_000,
    ),
}
