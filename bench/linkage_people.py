#!/usr/bin/env python3
"""Chinese people with the mistakes that departments make, and the truth: usage: linkage_people.py FOLDER [SEED [PEOPLE]]

Writes register.parquet (households: relatives share surname, address, and a third of them the telephone),
delivery.parquet (70 % of the register and a tenth as many strangers, with confused sounds, variant characters,
slips in days, moved people, missing values) and both as one.parquet. `ground_truth` tells who is who. No identity
number anywhere: this is what is left when the number is missing or does not add up. Needs polars and pypinyin.
"""
import random
import sys

import polars as pl
from pypinyin import lazy_pinyin
folder=sys.argv[1]; seed=int(sys.argv[2]) if len(sys.argv)>2 else 1; n=int(sys.argv[3]) if len(sys.argv)>3 else 20000
R=random.Random(seed)
SUR="王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
GIV="伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红娥玲芬燕彩春菊兰凤洁梅琳素云莲真环雪荣爱妹香月莺媛瑞凡佳嘉琼勤珍贞莉桂娣叶璧璐娅琦晶妍茜秋珊莎锦黛青倩婷姣婉娴瑾颖露瑶怡婵雁蓓纨仪荷丹蓉眉君琴蕊薇菁梦岚苑婕馨瑗琰韵融园艺咏卿聪澜纯毓悦昭冰爽琬茗羽希宁欣飘育滢馥筠柔竹霭凝晓欢霄枫芸菲寒伊亚宜可姬舒影荔枝思建国志文斌浩宇轩子涵晨阳鹏飞龙波辉海峰俊林"
TRAD=dict(zip("张刘陈杨黄赵吴孙马罗郑谢许韩冯邓苏吕卢钟谭陆范贾韦邹叶龙顾龚钱严汤伟丽强军艳杰娟涛华红兰凤洁莲环荣爱莺琼贞莺婵蓓纨仪韵园艺纯飘欢枫芸亚国轩鹏飞龙辉","張劉陳楊黃趙吳孫馬羅鄭謝許韓馮鄧蘇呂盧鍾譚陸範賈韋鄒葉龍顧龔錢嚴湯偉麗強軍艷傑娟濤華紅蘭鳳潔蓮環榮愛鶯瓊貞鶯嬋蓓紈儀韻園藝純飄歡楓蕓亞國軒鵬飛龍輝"))
PY={}
for c in set(SUR+GIV): PY.setdefault(lazy_pinyin(c)[0],[]).append(c)
def fold(p):
    for a,b in (("zh","z"),("ch","c"),("sh","s"),("l","n")):
        if p.startswith(a): p=b+p[len(a):]; break
    return p[:-1] if p.endswith("ng") else p
NP={}
for c in set(SUR+GIV): NP.setdefault(fold(lazy_pinyin(c)[0]),[]).append(c)
COUNTY=["兰山区","罗庄区","河东区","沂南县","郯城县","沂水县","兰陵县","费县","平邑县","莒南县","蒙阴县","临沭县"]
TOWN=[a+b for a in "银雀山金雀山兰山南坊柳青白沙埠枣园半程李官汪沟方城义堂" for b in ("街道","镇")]
VIL=[a+b+"村" for a in "大小东西南北前后新老" for b in "李张王刘陈庄沟河山桥店口岭峪"]
def zipf(s,a=0.9): 
    w=[1/(i+3)**a for i in range(len(s))]; return R.choices(s,w)[0]
def person(fam=None):
    sur=fam['sur'] if fam else zipf(SUR)
    k=1 if R.random()<.2 else 2
    gen=fam.get('gen') if fam else None
    g=[zipf(GIV,.6) for _ in range(k)]
    if gen and k==2 and R.random()<.5: g[0]=gen
    addr=fam['addr'] if fam else f"山东省临沂市{R.choice(COUNTY)}{R.choice(TOWN)}{R.choice(VIL)}{R.randint(1,400)}号"
    y=R.randint(1940,2015); m=R.randint(1,12); d=R.randint(1,28)
    return dict(name=sur+''.join(g),sex=R.choice("男女"),birth=f"{y:04d}-{m:02d}-{d:02d}",address=addr,phone=(fam or {}).get('phone') if fam and R.random()<.3 else "1"+R.choice("3578")+''.join(R.choice("0123456789") for _ in range(9)))
P=[]
while len(P)<n:
    p=person(); P.append(p)
    if R.random()<.35:
        fam=dict(sur=p['name'][0],addr=p['address'],phone=p['phone'],gen=p['name'][1] if len(p['name'])==3 else None)
        for _ in range(R.randint(1,3)): P.append(person(fam))
def corrupt(p,rate=1.0):
    q=dict(p)
    r=R.random
    if r()<.30*rate:
        s=list(q['name']); i=R.randrange(len(s)); k=R.choice("ptnvdx")
        if k=='p': s[i]=R.choice(PY[lazy_pinyin(s[i])[0]])
        elif k=='n': s[i]=R.choice(NP[fold(lazy_pinyin(s[i])[0])])
        elif k=='t': s=[TRAD.get(c,c) for c in s]
        elif k=='v': s=[TRAD.get(c,c) for c in s]
        elif k=='d' and len(s)==3: s.pop(2)
        elif k=='x': s.insert(1,' ')
        q['name']=''.join(s)
    if r()<.12*rate:
        b=list(q['birth']); k=R.choice("abc")
        if k=='a': i=R.choice([3,6,9]); b[i]=R.choice("0123456789")
        elif k=='b': b=list(q['birth'][:4]+'-'+q['birth'][8:]+'-'+q['birth'][5:7]) 
        else: i=R.choice([2,8]); b[i],b[i+1]=b[i+1],b[i]
        q['birth']=''.join(b)
    if r()<.3*rate: q['phone']="1"+R.choice("3578")+''.join(R.choice("0123456789") for _ in range(9))
    elif r()<.06*rate:
        s=list(q['phone']); i=R.randrange(11); s[i]=R.choice("0123456789"); q['phone']=''.join(s)
    a=q['address']
    if r()<.35*rate: a=a.replace("山东省","" ) if r()<.5 else a.replace("山东省临沂市","")
    if r()<.15*rate: a=f"山东省临沂市{R.choice(COUNTY)}{R.choice(TOWN)}{R.choice(VIL)}{R.randint(1,400)}号"
    if r()<.1*rate: a=a.replace("街道","街办").replace("村","")
    q['address']=a
    for c in ('birth','phone','address','sex'):
        if r()<.08*rate: q[c]=None
    return q
A=[(i,p) for i,p in enumerate(P)]
B=[(i,corrupt(p)) for i,p in enumerate(P) if R.random()<.7]
extra=[(10**7+i,corrupt(person())) for i in range(n//10)]
B+=extra; R.shuffle(B)
def out(rows,f,pre): pl.DataFrame([dict(rec_id=f"{pre}{k:06d}",ground_truth=str(i),**p) for k,(i,p) in enumerate(rows)]).write_parquet(f)
out(A,f'{folder}/register.parquet','a'); out(B,f'{folder}/delivery.parquet','b')
D=A+[x for x in B]; R.shuffle(D); out(D,f'{folder}/one.parquet','d'); print(len(A),len(B))
