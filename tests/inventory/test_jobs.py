"""How recalculations are sent: after an import, after stock came, at night, by hand."""

import io

import pytest
from django.core.management import CommandError, call_command

from modules.accounts.models import Membership, User
from modules.inventory import actors, services
from modules.inventory.events import metrics_recalculated
from modules.inventory.models import StockLevel, VariantMetrics
from modules.jobs.models import Batch, Job
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.notifications.models import LiveEvent
from modules.orders import services as order_services
from tests.inventory.test_services import NOON
from tests.orders.factories import at, line_facts, make_channel, order_facts

pytestmark = pytest.mark.django_db(transaction=True)
CHUNK = "inventory.recalculate_variant_metrics"


@pytest.fixture
def channels():
    with all_tenants():
        yield make_channel(), make_channel(tenant="Bob", name="Bob's shop")


def place(channel, *codes, order="A1", changed_at=NOON):
    lines = tuple(line_facts(number, code=code) for number, code in enumerate(codes, start=1))
    facts = order_facts(order, lines=lines, changed_at=changed_at)
    order_services.import_orders(channel_id=channel.pk, orders=[facts], fetched_at=changed_at)


def run_command(*arguments):
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_an_import_sends_its_variants_once_each_in_batches_of_fifty(drain, channels):
    place(channels[0], *(f"P{n}" for n in range(60)), "P0", "P1", "")

    jobs = Job.objects.filter(actor=CHUNK).order_by("id")
    assert [len(job.arguments["codes"]) for job in jobs] == [50, 10]
    assert {job.tenant_id for job in jobs} == {channels[0].tenant_id}
    drain()
    assert VariantMetrics.objects.count() == 60


def test_an_import_that_changes_nothing_sends_nothing(drain, channels):
    place(channels[0], "P")
    drain()
    Job.objects.all().delete()

    place(channels[0], "P")

    assert Job.objects.filter(actor=CHUNK).count() == 0


def test_a_deleted_order_gives_its_pieces_back(drain, channels):
    place(channels[0], "P")
    place(channels[0], "P", order="A2")
    drain()

    order_services.mark_deleted(channel_id=channels[0].pk, codes=["A2"], deleted_at=at("2026-04-01"))
    drain()

    assert VariantMetrics.objects.values_list("code", "last_sold_at").get() == ("P", at("2026-03-01T10:00"))
    assert Job.objects.filter(actor=CHUNK).count() == 3


def test_the_nightly_recalculation_is_one_batch_per_tenant_that_ends_by_telling(drain, channels):
    for channel in channels:
        place(channel, "P", "Q", "R")
    drain()
    place(channels[0], "P", changed_at=at("2026-03-02"))  # Q and R were taken off
    drain()
    heard = []

    def hear(tenant_id, **_kwargs):
        heard.append(tenant_id)

    metrics_recalculated.connect(hear)
    try:
        actors.recalculate_metrics.send(chunk=2)
        drain()
    finally:
        metrics_recalculated.disconnect(hear)

    assert heard == [channel.tenant_id for channel in channels]
    assert [batch.finished_at is not None for batch in Batch.objects.all()] == [True, True]
    rows = VariantMetrics.objects.order_by("channel", "code").values_list("channel__name", "code")
    assert list(rows) == [("Alice's shop", "P"), *(("Bob's shop", code) for code in "PQR")]


def test_members_who_are_there_are_told_of_new_figures(channels):
    member = User.objects.create_user("jana")
    tenant_id = channels[0].tenant_id
    Membership.objects.create(user=member, tenant_id=tenant_id)

    services.finish_recalculation(tenant_id=tenant_id, now=clock.now())

    with all_tenants():
        told = LiveEvent.objects.get()
    assert (told.user_id, told.type, told.tenant_id) == (member.pk, "variant_metrics", tenant_id)


def test_the_command_recalculates_here_or_by_jobs(drain, channels):
    for channel in channels:
        place(channel, "P", "Q")
    Job.objects.all().delete()

    said = run_command("inventory_recalculate_metrics", "--shop", "Bob's shop", "--chunk", "1")
    assert f"Channel {channels[1].pk}: 2 variants, 2 changed" in said
    assert set(VariantMetrics.objects.values_list("channel", flat=True)) == {channels[1].pk}

    said = run_command("inventory_recalculate_metrics", "--queue")
    drain()
    assert [str(batch.id) in said for batch in Batch.objects.all()] == [True, True]
    assert VariantMetrics.objects.count() == 4


def write(folder, text):
    file = folder / "stock.csv"
    file.write_text(text, encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("text", ["code;amount;reserved\n00123;4,5;1\n Č/1 ;2;\n", "amount,code\n4.5,00123\n2,Č/1\n"])
def test_stock_is_read_from_a_table_and_its_variants_recalculated(drain, channels, tmp_path, text):
    said = run_command("inventory_import_stock", write(tmp_path, text), "--shop", "Alice's shop")
    drain()

    assert said == "2 rows read, 2 variants changed.\n"
    assert list(StockLevel.objects.order_by("code").values_list("code", "amount")) == [("00123", 4.5), ("Č/1", 2)]
    assert VariantMetrics.objects.count() == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("code,pieces\nP,1\n", "must name the columns"),
        ("code,amount\nP,1\nQ,many\n", "Line 3: the amount"),
        ("code,amount\n,1\n", "Line 2: a code"),
        ("code,amount\nP,NaN\n", "Line 2: a code"),
        ("code,amount\nP,1e99\n", "Line 2: a code"),
        ("", "must name the columns"),
    ],
)
def test_a_table_with_a_fault_is_refused_whole(channels, tmp_path, text, why):
    with pytest.raises(CommandError, match=why):
        run_command("inventory_import_stock", write(tmp_path, text), "--shop", "Alice's shop")

    assert (StockLevel.objects.count(), Job.objects.filter(actor=CHUNK).count()) == (0, 0)


def test_a_shop_that_is_not_there_is_refused(channels, tmp_path):
    for command in (["inventory_import_stock", write(tmp_path, "code,amount\n")], ["inventory_recalculate_metrics"]):
        with pytest.raises(CommandError, match="nowhere"):
            run_command(*command, "--shop", "nowhere")
