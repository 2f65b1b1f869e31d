"""fairkd.engine.products: oneDNN's matrix products against products in float64, and when it is chosen."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from fairkd.engine import products

pytestmark = pytest.mark.skipif(
    not (torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, n) for n in products.OPERATORS)),
    reason="this build of PyTorch has no oneDNN",
)
N, K, M = 37, 24, 50
LAYOUTS = {
    "rows": lambda x: x.contiguous(),
    "columns": lambda x: x.t().contiguous().t(),
    "rows of a wider matrix": lambda x: torch.cat([x, x + 1], dim=1)[:, : x.shape[1]],
    "columns of a taller matrix": lambda x: torch.cat([x, x + 1]).t().contiguous().t()[: len(x)],
    "every other row": lambda x: x.repeat_interleave(2, dim=0)[::2],
}


@pytest.fixture
def onednn():
    before = products.in_use()
    products.use_onednn()
    yield
    if before == "PyTorch":
        products.use_pytorch()


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def close(found: Tensor, wanted: Tensor) -> None:
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("right", LAYOUTS)
@pytest.mark.parametrize("left", LAYOUTS)
def test_products_of_every_layout(onednn, left, right):
    a, b, bias = LAYOUTS[left](drawn(N, K)), LAYOUTS[right](drawn(K, M, seed=1)), drawn(M, seed=2)
    exact = a.double() @ b.double()
    close(a @ b, exact)
    close(torch.addmm(bias, a, b), exact + bias.double())
    total = drawn(N, M, seed=3)
    for beta in (0.0, 1.0, 0.5):
        close(total.clone().addmm_(a, b, beta=beta), exact + beta * total.double())
    close(torch.addmm(total, a, b, beta=0.5, alpha=2.0), 2 * exact + 0.5 * total.double())


def test_a_sum_is_added_to_in_panels(onednn, monkeypatch):
    monkeypatch.setattr(products, "SUMMED", 10)
    total, a, b = drawn(N, M), drawn(K, N, seed=1).t(), drawn(K, M, seed=2)
    wanted = total.double() + a.double() @ b.double()
    close(total.addmm_(a, b), wanted)
    rows = drawn(N, 2 * M)[:, ::2]
    wanted = rows.double() + a.double() @ b.double()
    close(rows.addmm_(a, b), wanted)


@pytest.mark.parametrize(("n", "k", "m"), [(1, 1, 1), (1, K, M), (N, 1, M), (N, K, 1), (0, K, M), (N, 0, M), (N, K, 0)])
def test_thin_and_empty_matrices(onednn, n, k, m):
    a, b = drawn(n, k), drawn(k, m, seed=1)
    close(a @ b, a.double() @ b.double())
    close(torch.addmm(drawn(m, seed=2), a, b), a.double() @ b.double() + drawn(m, seed=2).double())


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.bfloat16])
def test_other_types_are_multiplied_as_before(dtype):
    a, b, total = ((10 * drawn(*shape)).to(dtype) for shape in ((N, K), (K, M), (N, M)))

    def all_three() -> list[Tensor]:
        return [a @ b, torch.addmm(total, a, b), total.clone().addmm_(a, b)]

    before = products.in_use()
    products.use_pytorch()
    wanted = all_three()
    products.use_onednn()
    try:
        assert all(torch.equal(one, other) for one, other in zip(all_three(), wanted, strict=True))
    finally:
        products.use_pytorch() if before == "PyTorch" else products.use_onednn()


def test_errors_stay_pytorchs(onednn):
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        drawn(N, K) @ drawn(K + 1, M)
    with pytest.raises(RuntimeError, match=r"shape|size"):
        drawn(N, 1).addmm_(drawn(N, K), drawn(K, M))
    with pytest.raises(RuntimeError, match=r"shape|size"):
        drawn(N, M).addmm_(drawn(N, K), drawn(K, 1))
    with pytest.raises(RuntimeError, match=r"shape|size"):
        drawn(N, K).addmm_(drawn(N, K), drawn(K, M))


def test_a_linear_layer_and_its_gradients(onednn):
    layer, x = nn.Linear(K, M), drawn(5, 7, K).requires_grad_()
    exact = nn.Linear(K, M).double()
    exact.load_state_dict(layer.state_dict())
    x64 = x.detach().double().requires_grad_()
    layer(x).tanh().square().sum().backward()
    exact(x64).tanh().square().sum().backward()
    for found, wanted in ((x, x64), (layer.weight, exact.weight), (layer.bias, exact.bias)):
        close(found.grad, wanted.grad)


def test_fixed_weights_are_laid_out_once_and_give_the_same_bits(onednn, monkeypatch):
    model, x = nn.Sequential(nn.Linear(K, M), nn.Tanh(), nn.Linear(M, K)), drawn(N, K)
    other = drawn(M, K, seed=1)
    with torch.no_grad():
        wanted, also_wanted = model(x), x @ other.t()
        real, seen, laid_out = torch.ops.mkldnn, [], []
        fake = SimpleNamespace(
            _linear_pointwise=lambda a, w, *rest: seen.append(w.layout) or real._linear_pointwise(a, w, *rest),
            _reorder_linear_weight=lambda w: laid_out.append(w.shape) or real._reorder_linear_weight(w),
        )
        monkeypatch.setattr(torch.ops, "mkldnn", fake)
        with pytest.raises(KeyboardInterrupt), products.weights_fixed(model, rows=500):
            assert torch.equal(model(x), wanted)
            assert torch.equal(model(x), wanted)
            assert seen == 4 * [torch._mkldnn]
            assert torch.equal(x @ other.t(), also_wanted)
            assert torch.equal(x @ model[0].weight[:9].t(), x @ model[0].weight[:9].clone().t())
            close(drawn(N, M) @ model[0].weight, drawn(N, M).double() @ model[0].weight.double())
            assert seen[4:] == 4 * [torch.strided]
            raise KeyboardInterrupt
        assert laid_out == [(M, K), (K, M)]
        seen.clear()
        model[0].weight.mul_(2)
        close(model[0](x), x.double() @ model[0].weight.double().t() + model[0].bias.double())
        assert seen == [torch.strided]


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_fixed_weights_that_share_memory_or_are_empty(onednn):
    one, transposed, empty = nn.Linear(K, K), nn.Linear(K, K), nn.Linear(0, 3, bias=False)
    transposed.weight = nn.Parameter(one.weight.detach().t())
    x = drawn(N, K)
    with torch.no_grad(), products.weights_fixed(nn.ModuleList([one, transposed, empty]), rows=500):
        assert len(products._layouts) == 1
        close(one(x), x.double() @ one.weight.double().t() + one.bias.double())
        close(transposed(x), x.double() @ one.weight.double() + transposed.bias.double())
        assert torch.equal(empty(drawn(2, 0)), torch.zeros(2, 3))


def test_few_rows_do_not_pay_for_layouts(onednn):
    with products.weights_fixed(nn.Linear(K, M), rows=products.FEW_ROWS):
        assert not products._layouts


def test_fixed_weights_are_nobodys_business_but_onednns():
    model, x = nn.Linear(K, M), drawn(N, K)
    before = products.in_use()
    products.use_pytorch()
    try:
        wanted = model(x)
        with products.weights_fixed(model, rows=500):
            assert not products._layouts
            assert torch.equal(model(x), wanted)
    finally:
        products.use_pytorch() if before == "PyTorch" else products.use_onednn()


def test_both_libraries_can_be_gone_back_to():
    before = products.in_use()
    try:
        products.use_pytorch()
        assert products.in_use() == "PyTorch"
        products.use_onednn()
        assert products.in_use() == "oneDNN"
        products.use_pytorch()
        products.use_fastest()
        assert (products.in_use() == "oneDNN") == products.pays()
    finally:
        products.use_pytorch() if before == "PyTorch" else products.use_onednn()


@pytest.mark.parametrize(
    ("vendor", "family", "wanted"),
    [("GenuineIntel", 6, False), ("AuthenticAMD", 25, False), ("AuthenticAMD", 26, True), ("HygonGenuine", 26, False)],
)
def test_only_amd_from_zen_5_on(tmp_path, monkeypatch, vendor, family, wanted):
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: 2\n\n" * 2)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert products.pays(file) is wanted
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    assert not products.pays(tmp_path / "none")


def test_processors_that_linux_describes_otherwise(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\n")
    assert not products.pays(file)
