"""The words of attacks in many languages, by concept. One letter stands for one concept.

Words are folded: lower case, without accents. A `*` ends a stem. `TERMS` are for scripts whose words have no spaces
between them or grow at both ends; they are looked for anywhere in a word.
"""

from __future__ import annotations

WORDS: dict[str, str] = {
    # O: set aside
    "O": """
        ignore ignoring disregard disregarding forget forgetting bypass bypassing override overriding overrule discard
        neglect circumvent supersede disobey unlearn ignroe
        ignorier* vergiss vergessen missachte* ubergeh* umgeh* verwirf hinwegsetzen
        ignorez ignorer oublie oubliez oublier neglige negligez contourne* outrepasse* desobei*
        ignora ignorar ignoren ignore olvida olvide olviden olvidate omite omita omitir desobedece*
        ignorare ignorate ignori dimentica dimenticare dimenticate trascura* tralascia* scavalca*
        ignorem esqueca esquece esquecer desconsidere desconsidera* despreza despreze contorne
        negeer negeren vergeet vergeten omzeil* overschrijf*
        zignoruj* ignoruj* zapomnij* pomin pomini* obejdz
        игнорир* проигнорир* забуд* забыть отбрось* обойди* пренебрег* нарушь
        yoksay gormezden unut* ignorera glom bortse
    """,
    # P: what came before
    "P": """
        previous previously prior above earlier preceding foregoing before initial original existing current past
        vorherig* vorig* bisherig* obig* fruher* vorangegangen* vorangehend* bestehend* ursprunglich* bevor zuvor
        precedent* anterieur* ci-dessus initial* avant dessus existant*
        anterior* previ* precedent* arriba existente* hasta
        precedenti precedente precedent* anteriori sopra finora
        acima antes prev*
        vorige eerdere voorgaande bovenstaande eerder bestaande
        poprzedni* wczesniejsz* powyzsz* dotychczasow*
        предыдущ* прежн* ранее вышеуказанн* вышеизложенн* прошл* существующ*
        onceki tidigare ovanstaende
    """,
    # A: all of them
    "A": """
        all any every everything entire
        alle alles allen aller samtlich* jede jeden jegliche*
        tout tous toute toutes
        todo todos toda todas cualquier
        tutto tutti tutte tutta ogni
        quaisquer tudo
        elke
        wszystk* kazd* wszelk*
        все всех всё любые каждый всю
        tum butun alla allt
    """,
    # Y: the agent's own
    "Y": """
        your yours
        dein deine deinen deiner deinem deines ihre ihren ihrer
        ton tes votre vos
        tu tus vuestr*
        tuo tua tue tuoi vostr*
        seu sua seus suas teu tua teus tuas
        jouw uw
        twoj twoje twoich twoja swoje swoich
        твои твоих твой твоя свои своих ваши ваших ваш
        din dina ditt
    """,
    # S: of the system
    "S": """
        system systems systemprompt hidden internal secret developer confidential underlying
        intern* geheim* versteckt* vertraulich* systemanweisung* systemvorgab* systemaufforderung*
        systeme interne* secret* cache caches cachee cachees confidentiel*
        sistema intern* secreto* secreta* ocult* confidencial*
        nascost* segret* riservat*
        systeem interne geheime verborgen
        systemu systemow* ukryt* tajn* wewnetrzn*
        систем* скрыт* секретн* внутренн*
        sistem gizli
    """,
    # R: what it was told
    "R": """
        instruction instructions rule rules directive directives guideline guidelines guardrail guardrails restriction
        restrictions constraint constraints programming safeguards safeguard protocols preprompt
        anweisung* regel* vorgaben vorgabe richtlinie* instruktion* befehl* einschrankung* vorschrift* beschrankung*
        instructions consigne* regle* directive* restriction* contrainte*
        instruccion* regla* directriz directrices directiv* restriccion* orden ordenes indicaciones
        istruzion* regole regola direttiv* restrizion* vincoli indicazioni
        instruc* regra* diretriz* restric* orientac*
        instructie* regels richtlijn* beperking* aanwijzing* voorschrift*
        instrukcj* polecen* zasad* regul* wytyczn* ogranicze* nakaz*
        инструкц* правил* указан* директив* ограничен* команд* предписан*
        talimat* kurallar* instruktion* regler
    """,
    # M: the prompt
    "M": "prompt prompts promt eingabeaufforderung invite промпт* промт* prompta promptu",
    # V: tell or show
    "V": """
        reveal show print repeat output display tell give list dump leak expose disclose echo recite summarise summarize
        translate share write paste
        zeig zeige zeigen gib nenne nennen verrat* offenbar* wiederhol* druck* ausgeben schreib*
        montre* revele* affiche* repete* donne* divulgue* dis dites imprime* ecris
        muestra muestre muestrame revela revele repite repita imprime dime dame escribe
        mostra mostrami rivela rivelami ripeti stampa dimmi scrivi elenca
        mostre revele repita imprima diga liste escreva
        toon laat onthul herhaal geef druk
        pokaz ujawnij powtorz wypisz wyswietl podaj wydrukuj
        покажи покажите раскрой раскройте повтори повторите выведи напечатай назови перечисли
        goster tekrarla visa
    """,
    # L: follow
    "L": """
        follow following obey comply adhere heed
        folge folgen befolg* beachte* halte
        suis suivez suivre obeis respecte*
        sigue siga sigas seguir obedece* obedezcas
        segui seguire obbedi* rispetta*
        siga seguir obedeca obedecer
        volg volgen gehoorzaam
        przestrzegaj stosuj sluchaj wykonuj
        следуй следовать соблюдай слушай подчиняйся выполняй
    """,
    # Z: not, as an order
    "Z": """
        don't dont not never stop cease refuse
        nicht kein keine keinen niemals
        pas jamais cesse* arrete*
        no nunca deja dejes jamas
        non mai smetti
        nao pare
        niet geen stop
        nie przestan
        не никогда перестань прекрати хватит
    """,
    # W: from now on
    "W": """
        now henceforth hereafter onwards
        jetzt nun fortan
        maintenant desormais dorenavant
        ahora adelante
        ora adesso
        agora
        nu voortaan
        teraz odtad
        теперь отныне сейчас
        artik simdi nu
    """,
    # U: you
    "U": """
        you you're youre u
        du sie
        vous toi
        usted ustedes eres
        sei voce
        jij bent
        jestes
        ты вы
        sen
    """,
    # X: play a role
    "X": """
        pretend act roleplay role-play simulate imagine impersonate behave
        spiel spiele simulier* verhalte benimm stell
        pretends pretendez agis agissez simule* imagine* comporte*
        finge finja actua actue simula simule imagina comportate
        fingi fai comportati agisci immagina recita
        finja aja imagine simule
        doe speel gedraag
        udawaj zachowuj wyobraz odgrywaj
        притворись представь веди сыграй изображай
    """,
    # K: what it is to become
    "K": """
        ai llm bot chatbot assistant jailbreak jailbroken jailbreaking unrestricted unfiltered uncensored hacker
        admin administrator root superuser sudo evil amoral malicious
        assistent ki uneingeschrankt* ungefiltert* unzensiert* boser
        ia assistante pirate illimite*
        asistente
        assistente
        ongecensureerd* onbeperkt*
        asystent* nieograniczon* haker*
        ии ассистент* бот хакер* администратор* неограниченн* взломан*
    """,
    # J: what holds it back
    "J": """
        limits limitations filters filter censorship boundaries ethics moral morals limit limitation policies
        grenzen filter zensur schranken moral
        limites limite filtres censure
        limites filtros censura etica
        limiti filtri censura
        limieten grenzen
        ograniczen filtrow cenzury
        ограничений фильтров цензуры границ
    """,
    # T: without
    "T": """
        without skip skipping w/o
        ohne uberspring*
        sans
        sin
        senza
        sem
        zonder
        bez
        без
    """,
    # G: asking a person
    "G": """
        approval approvals approve authorisation authorization permission confirmation verification oversight
        genehmigung zustimmung freigabe erlaubnis ruckfrage
        approbation autorisation validation
        aprobacion autorizacion permiso
        approvazione autorizzazione
        aprovacao autorizacao
        goedkeuring toestemming
        zgody zatwierdzenia zezwolenia
        одобрения разрешения подтверждения согласования
    """,
    # E: send away
    "E": "send forward email e-mail mail post upload transfer export exfiltrate copy sende schicke envoie envia manda",
    # D: what belongs to others
    "D": """
        customers customer's users clients database databases records accounts credentials passwords password
        secrets apikey tokens env
        kunden kundendaten datenbank passworter zugangsdaten
        clients utilisateurs donnees base passe
        clientes usuarios contrasenas contrasena datos
        clienti utenti dati
        senhas senha usuarios
        klanten wachtwoorden klantgegevens
        klientow hasla danych
        клиентов паролей пароли данных пользователей
    """,
    # N: new
    "N": """
        new updated following these revised real actual
        neue neuen neuer folgende folgenden
        nouvelle nouvelles nouveau nouveaux suivante suivantes
        nueva nuevas nuevo siguientes siguiente
        nuove nuova seguenti
        novas nova seguintes
        nieuwe volgende
        nowe nowych nastepujace
        новые новым следующие
    """,
    # I: the customer's own
    "I": """
        i i'm i've i'd i'll we we've my mine our ours me us
        ich wir mein meine meinen meiner meinem unser unsere unseren mich
        je j'ai mon mes nous notre nos
        yo mi mis hemos nuestr*
        io mio mia miei mie ho abbiamo nostr*
        eu meu minha meus minhas nosso nossa
        ik mijn wij onze
        moj moje moich moja nasz*
        я мой мои моих моё моего мы наш* мне
    """,
    # H: words of everyday matters, beside which "instructions" and "prompt" mean nothing bad
    "H": """
        care washing cleaning assembly delivery deliveries courier box leaflet manual packaging package parcel recipe cooking
        brewing return returns returning refund shipping label gift gifting leave safe neighbour neighbor driver door
        descaling maintenance user's installation mounting usage setup handling storage dishwasher microwave
        reply response attention answer service action help assistance payment replacement reaction dispatch despatch
        email message letter note newsletter invoice warranty guarantee house ground golden general
        reinigung* pflege* aufbau* liefer* versand* bedienung* gebrauch* rucksende* montage* nachricht mail
        livraison entretien lavage montage retour notice message courriel emploi nettoyage
        entrega lavado montaje devolucion cuidado mensaje correo uso limpieza
        consegna lavaggio montaggio reso cura messaggio uso pulizia
        lavagem montagem devolucao cuidados mensagem limpeza
        bezorg* onderhoud montage retour bericht gebruiks* levering*
        dostaw* pielegnac* montaz* zwrot* wiadomos* czyszczen*
        доставк* уход* мойк* сборк* возврат* сообщен* письм* чистк* эксплуатац* заказ*
    """,
    # Q: set aside, told of what happened
    "Q": "ignored forgot forgotten disregarded bypassed overlooked skipped ignoriert vergass oublie",
    # C: have a tool called
    "C": "call execute invoke run trigger fuhre rufe execute* appelle ejecuta llama esegui chiama uitvoeren wykonaj вызови выполни",
    # F: the agent's own means
    "F": "tool tools function functions api plugin werkzeug outil herramienta strumento funzione narzedzie инструмент функци*",
}

TERMS: dict[str, str] = {
    "O": """
        忽略 无视 無視 忘记 忘記 忽視 忽视 不要理会 绕过 違反 忘れ 無視し 従わない 무시 잊 우회 تجاهل تجاهلي انس انسى تجاوز
        अनदेखा नज़रअंदाज़ भूल להתעלם התעלם שכח ไม่สนใจ เพิกเฉย
    """,
    "P": """
        之前 以前 先前 上述 上面 前面 此前 これまで 前の 上記 以前の 既存 이전 앞선 위의 기존 السابقة السابق أعلاه पिछले पिछल पूर्व ก่อนหน้า הקודמות
    """,
    "A": "所有 全部 一切 すべて 全て 全部の 모든 전부 جميع كل सभी ทั้งหมด כל",
    "Y": "你的 您的 あなたの 君の 당신의 너의 네 आपके ของคุณ שלך",
    "S": "系统 系統 隐藏 內部 内部 システム 隠し 秘密 시스템 숨겨진 비밀 النظام المخفية السرية सिस्टम ระบบ המערכת",
    "R": """
        指令 指示 规则 規則 说明 限制 約束 约束 命令 ルール 制限 ガイドライン 지시 지침 규칙 명령 제한 التعليمات تعليمات القواعد قواعد الأوامر القيود
        निर्देश नियम คำสั่ง กฎ ההוראות הוראות
    """,
    "YR": "تعليماتك قواعدك אמרותיך",
    "M": "提示词 提示詞 プロンプト 프롬프트 प्रॉम्प्ट",
    "V": "显示 顯示 告诉 告訴 透露 输出 重复 打印 表示 見せ 教え 出力 公開 繰り返 보여 알려 출력 공개 반복 اعرض أظهر اكشف اطبع كرر दिखा बता แสดง הצג",
    "W": "现在 現在 从现在 今から これから 今後 지금부터 이제 الآن अब ตอนนี้ מעכשיו",
    "U": "你 您 あなた 당신 너는 أنت आप คุณ אתה",
    "X": "假装 扮演 假設 ふり 演じ なりきっ 역할 행동 척 تصرف تظاهر अभिनय แสร้ง",
    "K": "人工智能 无限制 不受限制 黑客 管理员 助手 制限のない ハッカー 管理者 인공지능 해커 관리자 제한 없는 ذكاء اصطناعي مخترق مسؤول बिना प्रतिबंध",
    "T": "无需 不经 跳过 なしで せずに 없이 بدون दون बिना",
    "G": "批准 审批 承認 許可 승인 허가 موافقة إذن",
    "D": "客户 客戶 密码 数据库 顧客 パスワード データベース 고객 비밀번호 데이터베이스 العملاء كلمات المرور",
    "H": "配送 送货 清洗 退货 保养 包装 配達 お手入れ 返品 取扱 배송 세척 반품 관리 التوصيل الغسيل الإرجاع العناية",
    "I": "我的 我 私の 私 제 내 나는 저는 طلبي لي",
}

CORE = (
    "ignore disregard forget bypass override previous prior instructions instruction prompt rules reveal system "
    "guidelines restrictions jailbreak unrestricted pretend developer database passwords password everything "
    "administrator approval"
)
"""English words worth hiding: looked for in disguises too (leet, letters apart, look-alikes, rot13, backwards, jumbled)."""

LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁһкмтвнгзлиАВЕКМНОРСТУХІЈЅԌոսցօհԛԝɡıɩʟᴀʙᴄᴅᴇɢʜᴊᴋᴍɴᴏᴘʀᴛᴜᴠᴡᴢαβεικνορτυχωηγσϲϳ",
    "aeopcyxijsdhkmtbhr3nuABEKMHOPCTYXIJSGnugohqwgiilabcdeghjkmnoprtuvwzabeiknoptuxwnyscj",
)
"""Letters of other scripts that look like Latin ones."""

LEET = str.maketrans("013457$@", "oieastsa")
