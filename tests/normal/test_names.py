"""Names: one spelling, the core, branches and heads, and what two names say of one subject."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from credit_service.normal.divisions import in_use
from credit_service.normal.names import Agreement, agrees, agrees_any, core, folded, head_name, is_branch
from credit_service.normal.shipped import tables
from tests.normal.widths import wide

SAME, VARIANT, DIFFERENT = Agreement.SAME, Agreement.VARIANT, Agreement.DIFFERENT
WORDS = tables("names.toml")
PIECES = [
    "北京", "北京市", "上海市", "苏州市", "江苏省", "朝阳区", "海淀", "崇文区", "昆山市", "鑫旺", "宏达", "建筑",
    "工程", "超市",
    "第二", "一", "乙", "(", ")", "(集团)", "(北京)", "(原", "有限公司", "有限责任公司", "股份有限公司", "公司",
    "廠", "厂", "合作社",
    "分公司", "第三分公司", "加油站", "个体工商户", "○○", " ", wide("A"), "b",
]  # fmt: skip
NAMES = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=7).map("".join))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("北京鑫旺建筑有限公司", " 北京鑫旺\u3000建筑有限公司\n"),
        ("鑫旺（北京）商贸有限公司", "鑫旺(北京)商贸有限公司"),
        ("鑫旺【北京】商贸〔中心〕", "鑫旺(北京)商贸(中心)"),
        ("臺灣華興電機廠", "台湾华兴电机厂"),
        (wide("ABC") + "化工厂", "abc化工厂"),
        ("北京“鑫旺”饭店", "北京鑫旺饭店"),
        ("玛丽•居里诊所", "玛丽·居里诊所"),
        ("鑫旺－宏达联合体", "鑫旺-宏达联合体"),
        ("鑫\u200b旺\ufeff饭店", "鑫旺饭店"),
        ("鑫旺\U000e0100饭店", "鑫旺饭店"),
    ],
)
def test_two_spellings_of_one_name_fold_alike(one: str, other: str) -> None:
    assert folded(one) == folded(other)
    assert agrees(one, other) is SAME


@given(NAMES)
@example("a \u0301")
@example("\u0345\u0345\u0391")
def test_folding_twice_is_folding_once(name: str) -> None:
    assert folded(folded(name)) == folded(name)


@given(NAMES)
def test_folded_name_holds_no_blank_and_no_foreign_bracket(name: str) -> None:
    assert not set(folded(name)) & set(WORDS["opening"] + WORDS["closing"] + WORDS["ornament"])
    assert not any(c.isspace() for c in folded(name))


def test_characters_of_the_table_lead_to_characters_that_stay() -> None:
    pairs = WORDS["simplified"].split()
    assert {len(pair) for pair in pairs} == {2}
    assert {pair[0] for pair in pairs} & {pair[1] for pair in pairs} == set()
    assert len({pair[0] for pair in pairs}) == len(pairs)


def test_folding_changes_no_word_that_names_are_read_by() -> None:
    read = [d.name for d in in_use().values()]
    for kind in ("forms", "weak_forms", "heads", "weak_heads", "branches", "own_branches", "former", "not_counties"):
        read += WORDS[kind]
    assert [word for word in [*read, *WORDS["masks"]] if folded(word) != word] == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("北京市朝阳区鑫旺建筑工程有限责任公司", "鑫旺建筑工程"),
        ("江苏省苏州市吴江区宏达纺织厂", "宏达纺织"),
        ("昆山市大丰纺织厂", "大丰纺织"),
        ("延边朝鲜族自治州长白药业股份有限公司", "长白药业"),
        ("吉林市长白山药业有限公司", "长白山药业"),
        ("吉林长白山药业有限公司", "长白山药业"),
        ("大厂回族自治县宏达铸造厂", "宏达铸造"),
        ("鑫旺建筑（北京）有限公司", "鑫旺建筑"),
        ("鑫旺建筑有限公司(上海)", "鑫旺建筑"),
        ("鑫旺(控股)有限公司", "鑫旺(控股)"),
        ("宏达建设（集团）有限公司", "宏达建设"),
        ("北京市丰台区便民小吃店（个体工商户）", "便民小吃店"),
        ("北京市密云县山里人家种植农民专业合作社", "山里人家种植"),
        ("鑫旺投资中心（有限合伙）", "鑫旺投资中心"),
        ("鑫旺建筑有限公司上海分公司", "鑫旺建筑"),
        ("臺灣華興電機廠股份有限公司", "华兴电机"),
        ("家乐超市有限公司", "家乐超市"),
        ("北京社区服务有限公司", "社区服务"),
        ("北京苏州街饭店", "苏州街饭店"),
        ("朝阳市宏达公司", "宏达"),
        ("某厂", "某厂"),
        ("厂", "厂"),
        ("", ""),
    ],
)
def test_core_leaves_out_region_and_legal_form(name: str, expected: str) -> None:
    assert core(name) == expected


@pytest.mark.parametrize(
    ("branch", "head"),
    [
        ("鑫旺建筑有限公司北京分公司", "鑫旺建筑有限公司"),
        ("鑫旺建筑有限公司（北京分公司）", "鑫旺建筑有限公司"),
        ("石化销售股份有限公司北京朝阳加油站", "石化销售股份有限公司"),
        ("榮剛材料科技股份有限公司新營廠", "荣刚材料科技股份有限公司"),
        ("北京煤炭总公司大台煤矿", "北京煤炭总公司"),
        ("北京第一机床厂铸造分厂", "北京第一机床厂"),
        ("城乡商业银行北京朝阳支行", "城乡商业银行"),
        ("鑫旺集团北京第二分公司", "鑫旺集团"),
        ("鑫旺集团第二分公司", "鑫旺集团"),
        ("鑫旺通信北京市朝阳区分公司", "鑫旺通信"),
        ("便民超市分店", "便民超市"),
    ],
)
def test_branch_names_its_head(branch: str, head: str) -> None:
    assert is_branch(branch)
    assert head_name(branch) == head
    assert agrees(branch, head) is VARIANT


@pytest.mark.parametrize(
    "name",
    [
        "鑫旺建筑有限公司",
        "中建（集团）有限公司",
        "北京第一机床厂",
        "北京玻璃厂路加油站",
        "北京公司注册代理服务中心",
        "鑫旺建筑有限公司工会委员会",
        "鑫旺商贸有限公司（原丙丁机械厂）",
        "便民加油站",
        "分公司",
        "",
    ],
)
def test_name_without_a_branch_behind_a_head_is_no_branch(name: str) -> None:
    assert not is_branch(name)
    assert head_name(name) == folded(name)


@given(NAMES)
def test_head_of_a_name_begins_it(name: str) -> None:
    assert folded(name).startswith(head_name(name))
    assert is_branch(name) == (head_name(name) != folded(name))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("北京鑫旺建筑有限公司", "鑫旺建筑有限公司"),
        ("北京市鑫旺建筑有限公司", "北京市朝阳区鑫旺建筑有限公司"),
        ("苏州宏达纺织有限公司", "江苏宏达纺织有限公司"),
        ("北京鑫旺建筑有限公司", "鑫旺建筑（北京）有限公司"),
        ("北京市崇文区鑫旺饭店", "北京市东城区鑫旺饭店"),
        ("北京市密云县鑫旺饭店", "北京市密云区鑫旺饭店"),
        ("宏达纺织厂", "宏达纺织有限责任公司"),
        ("宏达纺织有限公司", "宏达纺织集团股份有限公司"),
        ("便民小吃店", "便民小吃店（个体工商户）"),
        ("鑫旺建筑", "北京鑫旺建筑工程有限公司"),
        ("鑫旺建工", "鑫旺建筑安装工程有限公司"),
        ("鑫旺", "鑫旺商贸有限公司"),
        ("鑫旺集团第一分公司", "鑫旺集团第二分公司"),
        ("宏达商贸有限公司（曾用名：鑫旺商贸有限公司）", "鑫旺商贸有限公司"),
        ("宏达商贸有限公司(原鑫旺(北京)商贸有限公司)", "鑫旺商贸有限公司"),
        ("长春藤教育有限公司", "北京长春藤教育有限公司"),
        ("鑫旺建筑有限公司", ""),
        ("○○工程行", "鑫旺工程行"),
        ("张*小吃店", "张*小吃店"),
    ],
)
def test_names_that_one_subject_can_bear_are_variants(one: str, other: str) -> None:
    assert agrees(one, other) is VARIANT


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("北京鑫旺建筑有限公司", "上海鑫旺建筑有限公司"),
        ("苏州宏达纺织有限公司", "无锡宏达纺织有限公司"),
        ("北京市朝阳区鑫旺饭店", "北京市海淀区鑫旺饭店"),
        ("鑫旺建筑有限公司", "鑫望建筑有限公司"),
        ("鑫旺建筑有限公司", "鑫旺建筑劳务有限公司"),
        ("鑫旺第一建筑", "鑫旺第二建筑"),
        ("鑫旺建筑", "鑫旺第二建筑有限公司"),
        ("鑫工", "鑫旺工程有限公司"),
        ("旺建筑", "鑫旺建筑有限公司"),
        ("北京建工", "北京建设有限公司"),
        ("北京鑫旺", "北京鑫海旺达有限公司"),
        ("鑫旺商贸有限公司", "鑫旺商贸有限公司工会委员会"),
        ("宏达商贸有限公司（原鑫旺商贸有限公司）", "丙丁商贸有限公司"),
    ],
)
def test_names_of_two_subjects_are_different(one: str, other: str) -> None:
    assert agrees(one, other) is DIFFERENT


@given(NAMES, NAMES)
def test_agreement_does_not_depend_on_the_order(one: str, other: str) -> None:
    assert agrees(one, other) is agrees(other, one)


@given(NAMES)
def test_a_name_never_differs_from_itself(name: str) -> None:
    assert agrees(name, name) is not DIFFERENT


@given(st.text("鑫旺宏达建筑", min_size=3), st.sampled_from(["有限公司", "股份有限公司", "厂"]))
def test_branch_and_other_form_never_differ_from_the_name(stem: str, form: str) -> None:
    assert agrees(stem + form, f"{stem}有限责任公司") is VARIANT
    assert agrees(stem + form, f"{stem}{form}北京分公司") is VARIANT


def test_best_of_the_known_names_counts() -> None:
    known = ["宏达商贸有限公司", "鑫旺商贸有限公司"]
    assert agrees_any("鑫旺商贸有限公司", known) is SAME
    assert agrees_any("鑫旺商贸厂", known) is VARIANT
    assert agrees_any("丙丁商贸厂", known) is DIFFERENT
    assert agrees_any("丙丁商贸厂", []) is VARIANT
