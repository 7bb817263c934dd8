"""Every page answers those who may look, and nobody else."""

import pytest
from django.test import Client

from tests.admin.pages import DETAILS, LISTS, detail, listing, make_any, words

HOME = "/admin/"


@pytest.mark.parametrize("name", LISTS)
def test_a_list_answers_a_superuser_and_shows_its_row(root, alice, name):
    make_any(name, alice)

    response = root.get(listing(name))

    assert response.status_code == 200
    assert "Mark" in words(response)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_answers_staff_who_may_look(viewer, alice, name):
    make_any(name, alice)

    response = viewer.get(listing(name))

    assert response.status_code == 200
    assert "Mark" in words(response)


@pytest.mark.parametrize("name", DETAILS)
def test_a_detail_answers_a_superuser(root, alice, name):
    row = make_any(name, alice)

    response = root.get(detail(name, row))

    assert response.status_code == 200
    assert "Mark" in response.content.decode()


@pytest.mark.parametrize("name", DETAILS)
def test_a_detail_answers_staff_who_may_look_and_offers_no_button(viewer, alice, name):
    row = make_any(name, alice)

    response = viewer.get(detail(name, row))

    assert response.status_code == 200
    assert 'class="bk-buttons"' not in response.content.decode()


@pytest.mark.parametrize("name", LISTS)
def test_a_stranger_is_sent_to_the_login(db, name):
    response = Client().get(listing(name))

    assert (response.status_code, response.headers["Location"]) == (302, f"/admin/login/?next={listing(name)}")


@pytest.mark.parametrize("name", LISTS)
def test_a_list_refuses_staff_without_permission(clerk, name):
    assert clerk.get(listing(name)).status_code == 403


@pytest.mark.parametrize("name", DETAILS)
def test_a_detail_refuses_staff_without_permission(clerk, alice, name):
    row = make_any(name, alice)

    assert clerk.get(detail(name, row)).status_code == 403


@pytest.mark.parametrize("name", DETAILS)
def test_an_id_that_does_not_exist_is_not_found(root, name):
    assert root.get(f"{listing(name)}no-such-row/change/").status_code == 404


def test_the_home_page_answers_all_staff(root, viewer, clerk):
    assert [client.get(HOME).status_code for client in (root, viewer, clerk)] == [200, 200, 200]


def test_the_home_page_tells_a_clerk_nothing_about_jobs(clerk):
    text = words(clerk.get(HOME))

    assert "Failed in 24" not in text
    assert "Nothing is shown to you yet. Ask an administrator for permissions." in text


def test_the_sidebar_leads_only_where_the_reader_may_go(clerk):
    links = clerk.get(HOME).content.decode()

    assert [name for name in LISTS if f'href="{listing(name)}"' in links] == []


def test_a_login_without_an_address_to_return_to_leads_home(root, db):
    response = Client().post("/admin/login/", {"username": "root", "password": "root"})

    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")


def test_the_language_is_switched_by_a_post(root):
    root.post("/i18n/setlang/", {"language": "cs", "next": "/admin/"})

    assert root.get(HOME).headers["Content-Language"] == "cs"
