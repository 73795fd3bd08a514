"""What the probability of a model is of: the words of its task, which its signed manifest names."""

from collections.abc import Mapping

# By task: in Chinese, and in English as the signed card of each model says it; always of the 12 months after the day.
TARGETS: Mapping[str, tuple[str, str]] = {
    "cn-main": (
        "发生负有责任的事故，或者受到并非因事故作出的严重行政处罚",
        "a liable accident, or a serious penalty that follows none",
    ),
    "tw-b": ("发生重大职业灾害，或者受到引用第37-2条的处罚通知", "a major accident, or a notice that cites Art. 37-2"),
}
